"""After a fork: connections belong to the parent, so every book of the child's copies says that it is closed."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Disownable(Protocol):
    """What a fork copies although it cannot be shared."""

    def disown(self) -> None:
        """This process is not the one that it belongs to."""


_owned: weakref.WeakSet[Disownable] = weakref.WeakSet()


def watch(thing: Disownable) -> None:
    """Have ``disown`` called in every child that is forked from now on."""
    _owned.add(thing)


def forget(thing: Disownable) -> None:
    """It holds nothing any more."""
    _owned.discard(thing)


def _after_fork() -> None:
    for thing in tuple(_owned):
        thing.disown()


# Where a process can be forked at all.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
