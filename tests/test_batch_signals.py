"""A replay that a signal ends, and one that runs out of memory: the book stands at its last frame, and goes on."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest

from orderbook.accelerator import ACCELERATOR
from orderbook.forms import FloatForm
from orderbook.guard import Guard
from orderbook.sync import BookSync
from orderbook.types import BookState
from tests.kucoin_frames import delta, live
from tests.one_by_one import FRAMES, standing

LARGE: Final = [delta(12 + at, asks=[("101", str(2**54 + at + 1))]) for at in range(99)]
"""Frames after which the compiled twin asks Python for a number: there a test can come in between."""

SIGNAL: Final = signal.SIGINT


@pytest.fixture(autouse=True)
def raising() -> Iterator[None]:
    """The signal raises, as Ctrl-C does."""
    before = signal.signal(SIGNAL, signal.default_int_handler)
    yield
    signal.signal(SIGNAL, before)


def goes_on(sync: BookSync) -> None:
    """Whether a book that was interrupted is all that an equal one is that took as many frames, now and later."""
    taken = sync.book.sequence - 11
    other = live()
    for frame in LARGE[:taken]:
        other.receive(frame)
    assert BookState.LIVE is sync.state
    assert sync.book.best_ask == other.book.best_ask
    assert standing(other) == standing(sync)
    for one in (sync, other):
        assert () == one.receive(LARGE[taken])
    assert standing(other) == standing(sync)


@pytest.mark.skipif(sys.platform == "win32", reason="the C library is asked to send itself a signal")
@pytest.mark.parametrize("last", [1, 70])
@pytest.mark.parametrize("form", [list, b"\n".join])
def test_a_signal_while_frames_are_taken(monkeypatch: pytest.MonkeyPatch, last: int, form: Any) -> None:
    """It is looked at by the first Python code that runs afterwards; by then the book is as it should be."""
    # Subscripting is not a call: nothing looks at signals before this returns to the native code that asked.
    pending: dict[int, int] = defaultdict(partial(ctypes.CDLL(None)["raise"], int(SIGNAL)))
    value = FloatForm.value
    sync = live()

    def signalled(form: FloatForm, raw: int, decimals: int) -> float:
        return value(form, raw, decimals) + (pending[0] if raw == 2**54 + last else 0)

    monkeypatch.setattr(FloatForm, "value", signalled)
    with pytest.raises(KeyboardInterrupt):
        sync.replay(form(LARGE[:last]))
    monkeypatch.undo()

    assert 11 + last == sync.book.sequence
    goes_on(sync)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_while_frames_are_taken(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """Whatever is raised between two frames: those before it count."""
    value = FloatForm.value
    sync = live()

    def failing(form: FloatForm, raw: int, decimals: int) -> float:
        if raw == 2**54 + 70:
            raise error
        return value(form, raw, decimals)

    monkeypatch.setattr(FloatForm, "value", failing)
    with pytest.raises(error):
        sync.replay(LARGE)
    monkeypatch.undo()

    assert 81 == sync.book.sequence
    goes_on(sync)


@pytest.mark.skipif(ACCELERATOR == "pure", reason="the pure twin lends nothing")
def test_a_book_is_lent_without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """While frames are taken the book's state is changed, and changed back, where no signal can come in between."""
    sync = live()
    monkeypatch.setattr(Guard, "mark", lambda *_: signal.raise_signal(SIGNAL))

    assert sync.replay(FRAMES).live.all()

    monkeypatch.undo()
    assert (BookState.LIVE, 110) == (sync.state, sync.book.sequence)
