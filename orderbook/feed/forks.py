"""After a fork: connections belong to the parent. Books of the child's copies are closed, its sockets lead nowhere."""

from __future__ import annotations

import asyncio
import os
import socket
import weakref
from contextlib import suppress
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


def cut_off(descriptor: int) -> None:
    """Let a descriptor of a child lead to a dead socket, while that of the parent stays what it is.

    A child that does not leave by ``os._exit`` ends its copy of the event loop: that would read what the parent waits
    for, and the selector, which both have, would not tell the parent of that socket any more.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), descriptor, inheritable=False)


def cut_off_transport(transport: asyncio.BaseTransport) -> None:
    """The same for the socket of a connection, if there is one left."""
    # Once it has ended there is none over TLS, and without, one without a descriptor.
    ours = transport.get_extra_info("socket")
    descriptor = -1 if ours is None else ours.fileno()
    if descriptor >= 0:
        cut_off(descriptor)


def _after_fork() -> None:
    for thing in tuple(_owned):
        # Whatever goes wrong with one (there may be no free descriptor), the others are to know.
        with suppress(Exception):
            thing.disown()


# Where a process can be forked at all.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
