"""Integers that no machine word holds, and that CPython refuses to write out: refused in words like all others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orderbook import OrderBook, UsageError
from orderbook.errors import shown
from orderbook.fixedpoint import TIME_MAX
from orderbook.sync import BookSync
from orderbook.twin.pure import PulseState
from tests.kucoin_frames import delta, live
from tests.twins import PULSES

LONG = 10**5_000


def book() -> OrderBook:
    """Of a level a side, at 5."""
    one = OrderBook("BTC-USDT")
    one.apply_snapshot([("1", "1")], [("2", "1")], 5)
    return one


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda: book().apply_snapshot([], [], LONG), UsageError),
        (lambda: book().apply_snapshot([], [], -LONG), UsageError),
        (lambda: book().apply_changes([], [], LONG), UsageError),
        (lambda: book().apply_changes([], [], 6, venue_ms=LONG), UsageError),
        (lambda: book().depth(-LONG), UsageError),
        (lambda: book().view(-LONG), UsageError),
        (lambda: book().imbalance(levels=-LONG), UsageError),
        (lambda: book().bids[LONG], IndexError),
        (lambda: book().bids[-LONG], IndexError),
        (lambda: OrderBook("BTC-USDT", clock=lambda: 0, max_age_ms=-LONG), UsageError),
        (lambda: BookSync("kucoin", "BTC-USDT", snapshot_depth=-LONG), UsageError),
    ],
)
def test_what_is_too_long_is_refused_in_short_words(ask: Callable[[], object], error: type[Exception]) -> None:
    """By the error that any other bad number of that kind has."""
    with pytest.raises(error, match="an integer of 16610 bits"):
        ask()


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (-5, "-5"), (2**127, str(2**127)), (LONG, "an integer of 16610 bits"), ("é" * 99, ascii("é" * 99)[:40])],
    ids=["short", "negative", "128 bits", "long", "text"],
)
def test_a_value_is_shown_in_one_short_line(value: object, text: str) -> None:
    """Whatever it is."""
    assert text == shown(value)


@pytest.mark.parametrize("kind", PULSES.values(), ids=PULSES)
def test_a_pulse_keeps_times_of_64_bits(kind: type[PulseState]) -> None:
    """Longer ones are the caller's mistake, and leave it as it was."""
    pulse = kind()
    for heard_ns in (None, 0, TIME_MAX):
        pulse.heard_ns = heard_ns
        assert heard_ns == pulse.heard_ns
    for heard_ns in (TIME_MAX + 1, LONG, -LONG):
        with pytest.raises(UsageError, match="a time in ns"):
            pulse.heard_ns = heard_ns
        assert pulse.heard_ns == TIME_MAX


def test_a_frame_before_the_clock_s_zero_is_heard_like_any_other() -> None:
    """Until the time does not fit: then it is refused, whichever way a frame goes, and nothing has happened."""
    sync = live()
    sync.receive(delta(12), -1)
    assert (-1, 12) == (sync.book.heard_ns, sync.book.sequence)
    with pytest.raises(UsageError, match="a time in ns"):
        sync.receive(delta(13), -TIME_MAX - 1)
    assert (-1, 12) == (sync.book.heard_ns, sync.book.sequence)
