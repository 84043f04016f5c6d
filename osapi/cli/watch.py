"""`--watch`: ask again and again; on a terminal each answer takes the place of the one before."""

import io
import sys
from contextlib import redirect_stdout
from datetime import datetime
from typing import Any

import trio

from osapi.cli import ask
from osapi.cli.session import Session
from osapi.client import Client
from osapi.errors import Unavailable
from osapi.operation import Declaration
