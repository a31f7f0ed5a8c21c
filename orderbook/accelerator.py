"""Which twin of the core is in use: the compiled one, or the pure one.

The environment variable ``ORDERBOOK_ACCELERATOR`` decides when this module is first imported:

* ``auto`` (also where it is empty or not set): the compiled twin where it was built, else the pure one;
* ``require``: the compiled twin, or an ``ImportError``;
* ``off``: the pure twin.

The command line says in one line what is wrong with it, as with any mistake. It does so here, because nothing of it can
be imported before this.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Final, Literal

from orderbook.errors import UsageError

__all__ = ["ACCELERATOR", "chosen", "in_use"]

MODULES: Final = tuple(
    f"orderbook.compiled.{name}"
    for name in (
        *("blocks", "ladder", "found", "plan", "scanner", "content", "measures", "arrays"),
        *("touch", "queries", "sides", "snapshot", "lane", "sheet", "batch", "rows"),
    )
)


def chosen(mode: str, *, is_built: bool) -> Literal["compiled", "pure"]:
    """Which twin a value of ``ORDERBOOK_ACCELERATOR`` asks for.

    Args:
        mode: The value; empty is ``auto``.
        is_built: Whether there is a compiled twin.

    Raises:
        ImportError: ``require``, and there is none.
        UsageError: Not one of ``auto``, ``require``, ``off``.
    """
    if mode not in ("", "auto", "require", "off"):
        raise UsageError(f"ORDERBOOK_ACCELERATOR is auto, require or off, not {mode!a}")
    if mode == "require" and not is_built:
        raise ImportError(
            "ORDERBOOK_ACCELERATOR=require, but this installation has no compiled twin; install a C compiler and "
            "install again, or set ORDERBOOK_ACCELERATOR to auto or off to run on the pure one"
        )
    return "compiled" if is_built and mode != "off" else "pure"


def in_use(environment: Mapping[str, str], arguments: Sequence[str], *, is_built: bool) -> Literal["compiled", "pure"]:
    """Which twin a process uses.

    Args:
        environment: Its variables.
        arguments: What it was started with: the interpreter and what follows.
        is_built: Whether there is a compiled twin.

    Raises:
        ImportError: As for ``chosen``.
        UsageError: Likewise.
        SystemExit: Instead of these, and in one line, where it is the command line.
    """
    try:
        return chosen(environment.get("ORDERBOOK_ACCELERATOR", ""), is_built=is_built)
    except (ImportError, UsageError) as error:
        if not _is_command(arguments):
            raise
        raise SystemExit(f"orderbook: error: {error}") from None


def _is_command(arguments: Sequence[str]) -> bool:
    """Whether a process is ``orderbook ...`` or ``python -m orderbook ...``; options of the interpreter may precede."""
    for before, argument in pairwise(arguments):
        if not argument.startswith("-"):
            if before.startswith("-") and before.endswith("m"):
                return argument == "orderbook"
            return argument.replace("\\", "/").rpartition("/")[2] in ("orderbook", "orderbook.exe")
    return False


ACCELERATOR: Final[Literal["compiled", "pure"]] = in_use(
    os.environ, sys.orig_argv, is_built=all(find_spec(name) for name in MODULES)
)
"""The twin in use: ``"compiled"`` or ``"pure"``."""
