"""One side of a book, as a sorted price ladder.

``Ladder`` is the twin in use, ``ACCELERATOR`` its name. The environment variable ``ORDERBOOK_ACCELERATOR`` decides
when this module is first imported:

* ``auto`` (default): the compiled twin where it was built, else the pure one;
* ``require``: the compiled twin, or an ``ImportError``;
* ``off``: the pure twin.
"""

from __future__ import annotations

import os
from typing import Final, Literal

from orderbook.errors import UsageError
from orderbook.ladder.reference import Ladder

__all__ = ["ACCELERATOR", "Ladder"]


def chosen(mode: str) -> Literal["compiled", "pure"]:
    """Which twin a value of ``ORDERBOOK_ACCELERATOR`` asks for.

    Raises:
        ImportError: ``require``, and there is no compiled twin.
        UsageError: Not one of ``auto``, ``require``, ``off``.
    """
    if mode == "require":
        raise ImportError(
            "ORDERBOOK_ACCELERATOR=require, but this installation has no compiled twin; "
            "set ORDERBOOK_ACCELERATOR to auto or off to run on the pure one"
        )
    if mode not in ("auto", "off"):
        raise UsageError(f"ORDERBOOK_ACCELERATOR is auto, require or off, not {mode!a}")
    return "pure"


ACCELERATOR: Final[Literal["compiled", "pure"]] = chosen(os.environ.get("ORDERBOOK_ACCELERATOR", "auto"))
"""The twin in use: ``"compiled"`` or ``"pure"``."""
