"""What a command has found on its own, as JSON or YAML."""

import json
import sys
from typing import Any

from osapi.cli.session import Session


def written(session: Session, found: Any) -> None:
    """Print plain values as JSON or YAML."""
    if session.output == "yaml":
        import yaml

        sys.stdout.write(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))
    else:
        sys.stdout.write(json.dumps(found) + "\n")
