"""A partial book never guesses: every answer is the complete book's answer, or a refusal, or marked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, UsageError
from orderbook.results import Band, Marked
from orderbook.types import Level, Side
from tests.examples import share

ROWS_BID = [(100, 1), (99, 2), (98, 4), (97, 8), (96, 16)]
ROWS_ASK = [(101, 1), (102, 2), (103, 4), (104, 8), (105, 16)]


def partial_book() -> OrderBook:
    """Three levels a side are known; a fourth has been heard of on either side."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot(ROWS_BID[:3], ROWS_ASK[:3], 1, depth=3)
    book.apply_changes([(96, 16)], [(105, 16)], 2)
    return book


def without_known_levels() -> OrderBook:
    """Every level of the snapshot is gone; what lies behind the horizon is anyone's guess."""
    book = partial_book()
    book.apply_changes([(price, 0) for price, _ in ROWS_BID[:3]], [(price, 0) for price, _ in ROWS_ASK[:3]], 3)
    return book


ANSWERED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "best": (lambda book: book.bbo, ((100.0, 1.0), (101.0, 1.0))),
    "length": (lambda book: (len(book.bids), len(book.asks)), (3, 3)),
    "horizon": (lambda book: (book.bids.horizon, book.asks.horizon), (98.0, 103.0)),
    "depth": (lambda book: book.depth(3).asks.tolist(), [[101.0, 1.0], [102.0, 2.0], [103.0, 4.0]]),
    "depth 0": (lambda book: book.depth(0).asks.tolist(), []),
    "top": (lambda book: book.bids.top(3)[-1], (98.0, 4.0)),
    "first position": (lambda book: book.bids[0], (100.0, 1.0)),
    "position": (lambda book: book.bids[2], (98.0, 4.0)),
    "slice": (lambda book: book.bids[1:3], [(99.0, 2.0), (98.0, 4.0)]),
    "slice by steps": (lambda book: book.bids[0:4:2], [(100.0, 1.0), (98.0, 4.0)]),
    "slice backwards": (lambda book: book.bids[2:0:-1], [(98.0, 4.0), (99.0, 2.0)]),
    "slice backwards to the touch": (lambda book: book.bids[1::-1], [(99.0, 2.0), (100.0, 1.0)]),
    "empty slices": (lambda book: book.bids[9:5] + book.bids[5:9:-1] + book.bids[0:0], []),
    "size at the horizon": (lambda book: book.bids.size_at(98), 4.0),
    "size at a better price": (lambda book: book.bids.size_at("98.5"), 0.0),
    "is there": (lambda book: (99 in book.bids, 100.5 in book.bids, 200 in book.bids), (True, False, False)),
    "to the horizon": (lambda book: book.depth_to(Side.ASK, 103), 7.0),
    "to before the touch": (lambda book: book.depth_to(Side.ASK, 100), 0.0),
    "band to the horizon": (lambda book: book.depth_within(bps=Fraction(5, 201) * 10_000), (7.0, 7.0, False)),
    "imbalance": (lambda book: book.imbalance(levels=3), 0.0),
    "imbalance of a band": (lambda book: book.imbalance(bps=200), 0.0),
    "fill by size": (lambda book: book.fill(Side.ASK, size=7)[1::2], (103.0, 717.0, 3)),
    "fill by quote": (lambda book: book.fill(Side.BID, quote=690)[2:5], (7.0, 690.0, True)),
    "cumulative": (lambda book: book.cumulative(Side.BID, 3)[:, 1].tolist(), [1.0, 3.0, 7.0]),
}


@pytest.mark.parametrize("question", ANSWERED)
def test_inside_the_horizon_a_partial_book_answers(question: str) -> None:
    """Up to and including the horizon nothing is missing."""
    ask, expected = ANSWERED[question]

    assert expected == ask(partial_book())
    assert expected == ask(partial_book().last_known)


REFUSED: dict[str, tuple[Callable[[Any], Any], Side]] = {
    "depth": (lambda book: book.depth(4), Side.BID),
    "top": (lambda book: book.asks.top(4), Side.ASK),
    "iteration": (lambda book: list(book.asks), Side.ASK),
    "reversal": (lambda book: list(reversed(book.bids)), Side.BID),
    "position": (lambda book: book.asks[3], Side.ASK),
    "position far out": (lambda book: book.asks[10**30], Side.ASK),
    "position from the end": (lambda book: book.asks[-1], Side.ASK),
    "slice": (lambda book: book.bids[:4], Side.BID),
    "slice that starts outside": (lambda book: book.bids[5:6], Side.BID),
    "slice to the end": (lambda book: book.bids[:], Side.BID),
    "slice to the end by steps": (lambda book: book.bids[0::100], Side.BID),
    "slice from the end": (lambda book: book.bids[::-1], Side.BID),
    "slice backwards from outside": (lambda book: book.bids[5:0:-1], Side.BID),
    "negative start": (lambda book: book.bids[-2:], Side.BID),
    "negative stop": (lambda book: book.bids[:-2], Side.BID),
    "negative start backwards": (lambda book: book.bids[-1:0:-1], Side.BID),
    "size past it": (lambda book: book.bids.size_at(96), Side.BID),
    "size just past it": (lambda book: book.asks.size_at("103.000001"), Side.ASK),
    "is it there": (lambda book: 104 in book.asks, Side.ASK),
    "to past it": (lambda book: book.depth_to(Side.ASK, "103.01"), Side.ASK),
    "to zero": (lambda book: book.depth_to(Side.BID, 0), Side.BID),
    "band": (lambda book: book.depth_within(bps=Fraction(5, 201) * 10_000 + Fraction(1, 10**9)), Side.BID),
    "imbalance": (lambda book: book.imbalance(levels=4), Side.BID),
    "imbalance of a band": (lambda book: book.imbalance(bps=500), Side.BID),
    "fill by size": (lambda book: book.fill(Side.ASK, size="7.000001"), Side.ASK),
    "fill by quote": (lambda book: book.fill(Side.BID, quote=691), Side.BID),
    "cumulative": (lambda book: book.cumulative(Side.ASK, 4), Side.ASK),
    "all of cumulative": (lambda book: book.cumulative(Side.ASK), Side.ASK),
}


@pytest.mark.parametrize("question", REFUSED)
def test_past_the_horizon_a_partial_book_refuses(question: str) -> None:
    """The error names the side and the last price that is known; ``last_known`` is no way around it."""
    ask, side = REFUSED[question]
    book = partial_book()
    for reader in (book, book.exact, book.last_known, book.last_known.exact):
        with pytest.raises(BeyondHorizon) as caught:
            ask(reader)
        assert ("BTC-USDT", side) == (caught.value.symbol, caught.value.side)
        assert ("98" if side is Side.BID else "103") == caught.value.horizon
        assert f"{side.name.lower()}s of BTC-USDT are known only up to {caught.value.horizon}" in str(caught.value)


@pytest.mark.parametrize(
    "question",
    ["best_bid", "best_ask", "bbo", "spread", "spread_bps", "mid", "microprice", "is_crossed", "is_locked"],
)
def test_without_known_levels_there_is_no_touch(question: str) -> None:
    """When every known level is gone, the best price is unknown: that is not the same as none."""
    book = without_known_levels()

    with pytest.raises(BeyondHorizon):
        getattr(book, question)
    with pytest.raises(BeyondHorizon):
        book.depth_within(bps=1)
    assert (0, 0) == (len(book.bids), len(book.asks))


def test_without_any_level_the_best_is_still_unknown() -> None:
    """An empty ladder with a horizon is not an empty side; a side shorter than the depth asked for is."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot([(100, 1)], [(101, 1), (102, 1)], 1, depth=2)
    book.apply_changes([(100, 0)], [(101, 0), (102, 0)], 2)

    assert book.best_bid is None
    with pytest.raises(BeyondHorizon):
        book.best_ask


@pytest.mark.parametrize(
    "ask",
    [
        lambda book: book.depth(3),
        lambda book: book.depth_within(bps=500),
        lambda book: book.imbalance(bps=500),
        lambda book: book.imbalance(levels=3),
    ],
)
def test_one_partial_side_is_enough_to_refuse(ask: Callable[[OrderBook], Any]) -> None:
    """A question about both sides is refused for the one that is not known so far, whichever it is."""
    complete, partial = [(99, 1)], [(101, 1), (102, 1)]
    book = OrderBook("BTC-USDT")
    book.apply_snapshot(complete, partial, 1, depth=2)
    with pytest.raises(BeyondHorizon) as caught:
        ask(book)
    assert Side.ASK is caught.value.side

    book.apply_snapshot([(98, 1), (97, 1)], [(99, 1)], 2, depth=2)
    with pytest.raises(BeyondHorizon) as caught:
        ask(book)
    assert Side.BID is caught.value.side


MARKED: dict[str, tuple[Callable[[OrderBook], Any], Any]] = {
    "top": (lambda book: book.bids.top(9, allow_partial=True), ([(100.0, 1.0), (99.0, 2.0), (98.0, 4.0)], True)),
    "top inside": (lambda book: book.bids.top(1, allow_partial=True), ([(100.0, 1.0)], False)),
    "to a price": (lambda book: book.depth_to(Side.ASK, 110, allow_partial=True), (7.0, True)),
    "to a price inside": (lambda book: book.depth_to(Side.ASK, 102, allow_partial=True), (3.0, False)),
    "imbalance": (lambda book: book.imbalance(levels=9, allow_partial=True), (0.0, True)),
    "imbalance inside": (lambda book: book.imbalance(levels=3, allow_partial=True), (0.0, False)),
    "imbalance of a band": (lambda book: book.imbalance(bps=500, allow_partial=True), (0.0, True)),
    "band": (lambda book: book.depth_within(bps=500, allow_partial=True), (7.0, 7.0, True)),
    "band inside": (lambda book: book.depth_within(bps=100, allow_partial=True), (1.0, 1.0, False)),
    "fill": (lambda book: book.fill(Side.ASK, size=9, allow_partial=True)[2:], (7.0, 717.0, False, 3, True)),
    "fill inside": (lambda book: book.fill(Side.ASK, size=1, allow_partial=True)[2:], (1.0, 101.0, True, 1, False)),
}


@pytest.mark.parametrize("question", MARKED)
def test_what_is_known_comes_marked(question: str) -> None:
    """``allow_partial`` answers from the known levels alone, never from those heard of past the horizon."""
    ask, expected = MARKED[question]

    assert expected == ask(partial_book())


def test_arrays_come_marked() -> None:
    """Arrays hold the known levels alone, and say so."""
    book = partial_book()
    depth = book.depth(9, allow_partial=True)
    curve = book.cumulative(Side.ASK, allow_partial=True)

    assert ([100.0, 99.0, 98.0], [101.0, 102.0, 103.0]) == (depth.bids[:, 0].tolist(), depth.asks[:, 0].tolist())
    assert depth.partial
    assert ([[101.0, 1.0], [102.0, 3.0], [103.0, 7.0]], True) == (curve.value.tolist(), curve.partial)
    assert not book.depth(3, allow_partial=True).partial
    assert not book.cumulative(Side.ASK, 3, allow_partial=True).partial


def test_an_empty_slice_reaches_past_nothing() -> None:
    """Wherever it stands, though no level is known at all."""
    book = without_known_levels()
    assert [] == book.bids[2:2] == book.asks[:0]


def test_a_limit_below_the_smallest_price_holds_no_ask() -> None:
    """Nor is it rounded up to the price 1 of a book that has whole prices only."""
    book = OrderBook("BTC-USDT")
    book.apply_snapshot([], [(1, 5), (2, 5)], 1)
    assert (0, 0, 5) == tuple(book.depth_to(Side.ASK, price) for price in ("0", "0.9", "1"))


def test_without_known_levels_the_marked_answers_are_empty() -> None:
    """Nothing is known, so nothing is said, and that is marked."""
    book = without_known_levels()

    assert Band(None, None, partial=True) == book.depth_within(bps=1, allow_partial=True)
    assert Marked(None, partial=True) == book.imbalance(bps=1, allow_partial=True)
    assert Marked(None, partial=True) == book.imbalance(levels=1, allow_partial=True)
    assert (0, True) == (len(book.depth(1, allow_partial=True).bids), book.depth(1, allow_partial=True).partial)
    assert (None, True) == (
        book.fill(Side.ASK, size=1, allow_partial=True).average,
        book.fill(Side.ASK, size=1, allow_partial=True).partial,
    )


def test_a_view_holds_known_levels_only() -> None:
    """It never raises; it says that there were fewer than asked for."""
    view = partial_book().view(9)

    assert (Level(100.0, 1.0), Level(99.0, 2.0), Level(98.0, 4.0)) == view.bids
    assert (3, True) == (len(view.asks), view.partial)
    assert not partial_book().view(3).partial
    assert ((), True) == (without_known_levels().view(1).asks, without_known_levels().view(1).partial)


def test_iteration_hands_out_what_is_known_first() -> None:
    """A loop that ends early never meets the horizon."""
    levels = iter(partial_book().asks)

    assert [101.0, 102.0, 103.0] == [next(levels).price for _ in range(3)]
    with pytest.raises(BeyondHorizon):
        next(levels)
    assert 103.0 == next(level.price for level in partial_book().asks if level.size > 2)


def test_a_partial_snapshot_needs_a_level() -> None:
    """A side that claims to be cut off but shows no level has no price to name: it is not an empty side."""
    book = OrderBook("BTC-USDT")

    with pytest.raises(UsageError, match="asks of a snapshot of depth 2 hold no level"):
        book.apply_snapshot([(100, 1), (99, 1)], [(101, 0), (102, 0)], 1, depth=2)
    assert 0 == book.epoch


def test_a_horizon_survives_finer_prices() -> None:
    """The horizon keeps its value when the scale grows."""
    book = partial_book()
    book.apply_changes([("99.125", 1)], [], 3)

    assert 98.0 == book.bids.horizon
    assert 4 == len(book.bids)
    with pytest.raises(BeyondHorizon):
        book.bids.size_at("97.999")


def prefix_of(shorter: Any, longer: Any) -> bool:
    """Whether the rows begin the other rows."""
    rows, all_rows = shorter.tolist(), longer.tolist()
    return bool(rows == all_rows[: len(rows)])


KINDS: list[Callable[[OrderBook, Side, int, Fraction], Any]] = [
    lambda book, _side, n, _price: [array.tolist() for array in book.depth(n)[:2]],
    lambda book, side, n, _price: (book.bids if side is Side.BID else book.asks)[:n],
    lambda book, _side, n, price: book.asks.size_at(price + n),
    lambda book, side, n, _price: (book.bids if side is Side.BID else book.asks)[n].size,
    lambda book, side, _n, price: book.depth_to(side, price),
    lambda book, _side, n, price: book.depth_within(bps=price * n * 20),
    lambda book, _side, n, price: book.imbalance(bps=price * n * 20),
    lambda book, _side, n, _price: book.imbalance(levels=n + 1),
    lambda book, side, _n, price: book.fill(side, size=price),
    lambda book, side, n, price: book.fill(side, quote=price * n * 10),
]

PLAIN: list[Callable[[OrderBook], Any]] = [
    *(attrgetter(name) for name in ("bbo", "spread", "spread_bps", "mid", "microprice", "is_crossed", "is_locked")),
    lambda book: list(book.bids),
    lambda book: list(reversed(book.asks)),
    lambda book: book.cumulative(Side.BID).tolist(),
]


def question(kind: int, side: Side, n: int, price: Fraction) -> Callable[[OrderBook], Any]:
    """One of ``KINDS`` with its arguments."""
    return lambda book: KINDS[kind](book, side, n, price)


questions = st.sampled_from(PLAIN) | st.builds(
    question, st.integers(0, len(KINDS) - 1), st.sampled_from(Side), st.integers(0, 12), st.fractions(0, 50)
)

sides = st.fixed_dictionaries(
    {
        Side.BID: st.dictionaries(st.integers(1, 20), st.integers(1, 9), min_size=1, max_size=10),
        Side.ASK: st.dictionaries(st.integers(21, 40), st.integers(1, 9), min_size=1, max_size=10),
    }
)
changes = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 20), st.integers(0, 3)), max_size=25)


@settings(max_examples=share(150))
@given(truth=sides, depth=st.integers(1, 6), changes=changes, asked=st.lists(questions, min_size=5, max_size=20))
def test_never_silently_wrong(
    truth: dict[Side, dict[int, int]],
    depth: int,
    changes: list[tuple[Side, int, int]],
    asked: list[Callable[[OrderBook], Any]],
) -> None:
    """Beside a complete book with the same history, a partial one gives the same answer or refuses."""
    bids, asks = sorted(truth[Side.BID].items(), reverse=True), sorted(truth[Side.ASK].items())
    complete, partial = OrderBook("A-B"), OrderBook("A-B")
    complete.apply_snapshot(bids, asks, 1)
    partial.apply_snapshot(bids[:depth], asks[:depth], 1, depth=depth)
    for sequence, (side, price, size) in enumerate(changes, start=2):
        rows = [(price if side is Side.BID else price + 20, size)]
        for book in (complete, partial):
            book.apply_changes(*((rows, []) if side is Side.BID else ([], rows)), sequence)

    for ask in asked:
        try:
            expected = ask(complete)
        except IndexError:
            with pytest.raises((IndexError, BeyondHorizon)):
                ask(partial)
            continue
        try:
            actual = ask(partial)
        except BeyondHorizon:
            continue
        assert expected == actual
    known, everything = partial.depth(12, allow_partial=True), complete.depth(12)
    assert prefix_of(known.bids, everything.bids)
    assert prefix_of(known.asks, everything.asks)
    assert known.partial or (len(known.bids), len(known.asks)) == (len(everything.bids), len(everything.asks))
