"""Everything that can go wrong, by who can mend it.

* Error
  x BadInput              the caller: what was asked is not well formed    -> 400, exit 2
  x NotAuthenticated      the caller: no valid token                       -> 401, exit 5
  x NotAllowed            the caller: the token lacks the permission       -> 403, exit 5
  x TooLarge              the caller: more than is taken at once           -> 413
  x TooManyRequests       the caller: later                                -> 429
  x Unavailable           the operator: the broker or a bucket is away     -> 503
  x NoSpace               the operator: a store is full                    -> 507
  x ConfigError           the operator: the configuration                  -> exit 2
  x OperationError        the host could not do it                         -> `failed`
    - NotFound            what is named is not there                       -> 404 where one host was asked
    - Conflict            it is there already, or changed meanwhile        -> 409 where one host was asked
    - Refused             the host must not do that
    - CommandFailed       a program ended with an error
    - TimedOut            a program took too long
  x Unsupported           this host never can                              -> `skipped`
"""

from collections.abc import Sequence
from typing import ClassVar


class Error(Exception):
    """The base of every error OSAPI raises."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class BadInput(Error):
    """What was asked is not well formed; `field` names the culprit, where there is one."""

    code, status = "bad_input", 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotAuthenticated(Error):
    """There is no token, or it is not valid."""

    code, status = "not_authenticated", 401


class NotAllowed(Error):
    """The token is valid and lacks the permission."""

    code, status = "not_allowed", 403


class TooLarge(Error):
    """More was sent than is taken at once."""

    code, status = "too_large", 413


class TooManyRequests(Error):
    """The token asks too often; `retry_after` is in seconds."""

    code, status = "too_many_requests", 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Error):
    """What is needed is away for now, the broker above all; `retry_after` is in seconds."""

    code, status = "unavailable", 503

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoSpace(Error):
    """A store is full; the message names it, and what limits it."""

    code, status = "no_space", 507


class ConfigError(Error):
    """The configuration is wrong; the message names key, value and what is allowed."""

    code = "bad_config"


class OperationError(Error):
    """An operation could not be carried out."""

    code = "failed"


class NotFound(OperationError):
    """What is named is not there."""

    code, status = "not_found", 404


class Conflict(OperationError):
    """It is there already, or has changed meanwhile."""

    code, status = "conflict", 409


class Refused(OperationError):
    """The host must not do that."""

    code = "refused"


class TimedOut(OperationError):
    """A program took longer than it was given."""

    code = "timeout"


class CommandFailed(OperationError):
    """A program ended with an error; `exit_code` is its exit status, the others the ends of what it printed."""

    code = "command_failed"

    def __init__(self, argv: Sequence[str], exit_code: int, stderr: str, stdout: str = "") -> None:
        super().__init__(f"{argv[0]} exited with {exit_code}: {stderr.strip() or 'no message'}")
        self.argv, self.exit_code, self.stderr, self.stdout = tuple(argv), exit_code, stderr, stdout


class Unsupported(Error):
    """This kind of host never can."""

    code = "unsupported"
