"""Running the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from click.testing import CliRunner, Result

from orderbook.cli import main
from tests.recording import PATH

BUNDLED = str(PATH)
UNSET = ("COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "PYTHONIOENCODING")
"""Variables that change how output looks."""


def orderbook_command(*args: str, env: Mapping[str, str] | None = None, obj: object = None) -> Result:
    """Run a command, whatever the environment says about the terminal; ``obj`` is its ``Timing``."""
    plain: dict[str, str | None] = dict.fromkeys(UNSET)
    return CliRunner().invoke(main, args, env=plain | dict(env or {}), obj=obj)


def objects(result: Result) -> list[dict[str, Any]]:
    """The JSON objects on stdout."""
    return [json.loads(line) for line in result.stdout.splitlines()]
