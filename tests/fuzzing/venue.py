"""A venue that decodes each text once: for the reference and for the books under test, which want the same of it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from time import thread_time_ns
from typing import Final, TypeVar

from orderbook.errors import FrameError
from orderbook.types import Message, Snapshot
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.layout import Layout, laid_out, layout_of
from tests.fuzzing.target import kib_of

T = TypeVar("T")


def _layout(name: str) -> Layout:
    found = layout_of(KuCoin(), name)
    assert found is not None
    return found


_FRAMES: Final = _layout("decode")
_BODIES: Final = _layout("decode_snapshot")


class Remembering(KuCoin):
    """KuCoin, with its own functions, but each text is given to them once until all is forgotten.

    A book that leaves a text to the venue gets what the reference got of it: the same function once more would show
    nothing but the time it takes, and that is known. The compiled twin reads by the same layouts as ever.

    Attributes:
        spared_ns: CPU time that texts took which were wanted again.
        spared_kib: How long those were, each in KiB begun.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Every text is new."""
        self._messages: dict[str, tuple[Message | _Refusal, int]] = {}
        self._snapshots: dict[str, tuple[Snapshot | _Refusal, int]] = {}
        self.spare()

    def spare(self) -> None:
        """From now on is counted what is spared."""
        self.spared_ns = self.spared_kib = 0

    @laid_out(_FRAMES)
    def decode(self, text: str) -> Message:
        """As ``KuCoin.decode``."""
        return self._once(super().decode, self._messages, text)

    @laid_out(_BODIES)
    def decode_snapshot(self, text: str) -> Snapshot:
        """As ``KuCoin.decode_snapshot``."""
        return self._once(super().decode_snapshot, self._snapshots, text)

    def _once(self, decode: Callable[[str], T], known: dict[str, tuple[T | _Refusal, int]], text: str) -> T:
        there = known.get(text)
        if there is not None:
            found, spent = there
            self.spared_ns += spent
            self.spared_kib += kib_of(text)
            if isinstance(found, _Refusal):
                raise found.again()
            return found
        start = thread_time_ns()
        try:
            value = decode(text)
        except FrameError as error:
            known[text] = _Refusal(error), thread_time_ns() - start
            raise
        known[text] = value, thread_time_ns() - start
        return value


class _Refusal:
    """An error as it was raised; who catches one may write into it."""

    __slots__ = ("_error", "_remedy", "_symbol")

    def __init__(self, error: FrameError) -> None:
        self._error, self._symbol, self._remedy = error, error.symbol, error.remedy

    def again(self) -> FrameError:
        """Another one like it."""
        error = copy(self._error)
        error.symbol, error.remedy = self._symbol, self._remedy
        return error
