"""Which twin of the core is in use: the compiled one, or the pure one.

The environment variable ``ORDERBOOK_ACCELERATOR`` decides when this module is first imported:

* ``auto`` (default): the compiled twin where it was built, else the pure one;
* ``require``: the compiled twin, or an ``ImportError``;
* ``off``: the pure twin.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final, Literal

from orderbook.errors import UsageError

__all__ = ["ACCELERATOR", "chosen"]

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
        mode: The value.
        is_built: Whether there is a compiled twin.

    Raises:
        ImportError: ``require``, and there is none.
        UsageError: Not one of ``auto``, ``require``, ``off``.
    """
    if mode not in ("auto", "require", "off"):
        raise UsageError(f"ORDERBOOK_ACCELERATOR is auto, require or off, not {mode!a}")
    if mode == "require" and not is_built:
        raise ImportError(
            "ORDERBOOK_ACCELERATOR=require, but this installation has no compiled twin; install a C compiler and "
            "install again, or set ORDERBOOK_ACCELERATOR to auto or off to run on the pure one"
        )
    return "compiled" if is_built and mode != "off" else "pure"


ACCELERATOR: Final[Literal["compiled", "pure"]] = chosen(
    os.environ.get("ORDERBOOK_ACCELERATOR", "auto"), is_built=all(find_spec(name) for name in MODULES)
)
"""The twin in use: ``"compiled"`` or ``"pure"``."""
