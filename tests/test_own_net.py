"""A book without one's own orders: each of its answers is that of a book that never had them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, BookNotLive, OrdersNotSynced, UsageError
from orderbook.own import NetBook, Overdrawn, OwnOrder, OwnOrders
from orderbook.types import BBO, BookState, Level, Side
from tests.own_orders import MS, SYMBOL, listed, synced, update

Rows = list[tuple[int, str]]

BIDS: Rows = [(100, "2.5"), (99, "1"), (98, "4")]
ASKS: Rows = [(101, "0.5"), (102, "3"), (104, "1")]


def book_of(bids: Rows, asks: Rows, depth: int | None = None) -> OrderBook:
    """A LIVE book at sequence 7."""
    book = OrderBook(SYMBOL)
    book.apply_snapshot(bids, asks, 7, depth=depth, venue_ms=1_000)
    return book


def bid(price: int, size: str, name: str = "") -> OwnOrder:
    """One's own bid."""
    return listed(name or f"b{price}", price=price, remaining_size=size)


def ask(price: int, size: str, name: str = "") -> OwnOrder:
    """One's own ask."""
    return listed(name or f"a{price}", side=Side.ASK, price=price, remaining_size=size)


def answers(book: Any) -> list[Any]:
    """What a book answers, all that there is, as things that can be compared."""

    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray) else value

    found: list[Any] = []
    for reader in (book, book.exact):
        found += [getattr(reader, name) for name in ("best_bid", "best_ask", "bbo", "spread", "spread_bps", "mid")]
        found += [reader.microprice, reader.is_crossed, reader.is_locked]
        for n in (0, 1, 2, 9):
            depth = reader.depth(n)
            found += [plain(depth.bids), plain(depth.asks), depth.partial]
            found += [plain(reader.cumulative(side, n)) for side in Side] + [reader.imbalance(levels=n + 1)]
        found += [plain(reader.cumulative(side)) for side in Side]
        found += [reader.depth_within(bps=bps) for bps in (0, 60, 10_000)] + [reader.imbalance(bps=150)]
        found += [reader.depth_to(side, price) for side in Side for price in range(97, 106)]
        found += [reader.fill(side, size=size) for side in Side for size in ("0", "0.7", "5", "99")]
        found += [reader.fill(side, quote=quote) for side in Side for quote in ("0", "77.7", "99999")]
        for levels in (reader.bids, reader.asks):
            found += [list(levels), len(levels), list(reversed(levels)), levels[:2], levels[-1:], levels.horizon]
            found += [levels[place] for place in range(-len(levels), len(levels))]
            found += [levels.top(n) for n in (0, 1, 2, 9)]
            found += [levels.size_at(price) for price in range(97, 106)] + [100 in levels, 103 in levels]
        view = reader.view(2)
        found += [view.bids, view.asks, view.partial, view.sequence, view.venue_ms, view.epoch, view.is_live]
    return found


CASES: tuple[tuple[str, list[OwnOrder], Rows, Rows], ...] = (
    ("none", [], BIDS, ASKS),
    ("part of the best", [bid(100, "0.5")], [(100, "2"), *BIDS[1:]], ASKS),
    ("all of the best", [bid(100, "2.5")], BIDS[1:], ASKS),
    ("the two best", [bid(100, "2.5"), bid(99, "1")], BIDS[2:], ASKS),
    ("one in the middle", [ask(102, "3")], BIDS, [ASKS[0], ASKS[2]]),
    ("the worst", [ask(104, "1")], BIDS, ASKS[:2]),
    ("all of a side", [ask(101, "0.5"), ask(102, "3"), ask(104, "1")], BIDS, []),
    ("several at a price", [ask(102, "1", "x"), ask(102, "0.25", "y")], BIDS, [ASKS[0], (102, "1.75"), ASKS[2]]),
    ("finer than the book", [ask(101, "0.123456789")], BIDS, [(101, "0.376543211"), *ASKS[1:]]),
    ("both sides", [bid(99, "1"), ask(101, "0.1")], [BIDS[0], BIDS[2]], [(101, "0.4"), *ASKS[1:]]),
    ("of another symbol", [listed(symbol="ETH-USDT", price=100)], BIDS, ASKS),
)


@pytest.mark.parametrize(("own", "bids", "asks"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_answers_as_if_they_were_not_there(own: list[OwnOrder], bids: Rows, asks: Rows) -> None:
    """Every question, in floats and exactly."""
    net = book_of(BIDS, ASKS).without_own(synced(*own))

    assert answers(book_of(bids, asks)) == answers(net)


SIZES = st.integers(1, 400).map(lambda hundredths: str(Decimal(hundredths) / 100))


@given(
    st.dictionaries(st.integers(97, 100), st.tuples(SIZES, SIZES)),
    st.dictionaries(st.integers(101, 105), st.tuples(SIZES, SIZES)),
    st.sets(st.integers(97, 105)),
    st.sets(st.integers(97, 105)),
)
def test_it_is_the_book_of_the_others(
    bids: dict[int, tuple[str, str]], asks: dict[int, tuple[str, str]], ours: set[int], alone: set[int]
) -> None:
    """Whatever others have, and whatever is one's own beside it or alone at a price."""
    others: dict[Side, Rows] = {Side.BID: [], Side.ASK: []}
    whole: dict[Side, Rows] = {Side.BID: [], Side.ASK: []}
    own = []
    for side, levels in ((Side.BID, bids), (Side.ASK, asks)):
        for price, (theirs, mine) in levels.items():
            is_ours, is_alone = price in ours, price in ours and price in alone
            own += [listed(f"{price}", side=side, price=price, remaining_size=mine)] * is_ours
            others[side] += [] if is_alone else [(price, theirs)]
            total = (0 if is_alone else Decimal(theirs)) + (Decimal(mine) if is_ours else 0)
            whole[side].append((price, str(total)))
    net = book_of(whole[Side.BID], whole[Side.ASK]).without_own(synced(*own))

    assert answers(book_of(others[Side.BID], others[Side.ASK])) == answers(net)
    assert () == net.overdrawn


def test_raw_numbers_are_in_its_own_scale() -> None:
    """Which is finer than the book's, where one's own sizes are."""
    book = book_of(BIDS, ASKS)
    net = book.without_own(synced(ask(101, "0.125")))

    assert (1, 3) == (book.size_decimals, net.size_decimals)
    assert Level(101, 375) == net.raw.best_ask
    assert Level(100, 2_500) == net.raw.best_bid
    assert Fraction(201, 2) == net.raw.mid
    assert (0, 7, 1, book.touch_count) == (net.price_decimals, net.sequence, net.epoch, net.touch_count)
    assert (SYMBOL, None, 1_000) == (net.symbol, net.view(1).age_ms, net.venue_ms)


def test_it_follows_the_book_and_the_orders() -> None:
    """It is one object for as long as it is wanted, and keeps nothing of what was."""
    book, orders = book_of(BIDS, ASKS), synced(bid(100, "2.5"))
    net = book.without_own(orders)
    assert Level(99.0, 1.0) == net.best_bid

    book.apply_changes([(100, "3")], [], 8)
    assert Level(100.0, 0.5) == net.best_bid
    orders.receive(update("match", "b100", remaining_size="1.5"))
    assert Level(100.0, 1.5) == net.best_bid
    book.apply_changes([(100, "1.55")], [], 9)
    assert Level(Decimal(100), Decimal("0.05")) == net.exact.best_bid
    orders.receive(update("canceled", "b100"))
    assert Level(100.0, 1.55) == net.best_bid
    book.apply_snapshot([], [(105, "1")], 20)
    assert BBO(None, Level(105.0, 1.0)) == net.bbo
    assert (20, 2) == (net.sequence, net.epoch)


def test_levels_that_change_while_they_are_iterated() -> None:
    """Are noticed, whichever half changed."""
    book, orders = book_of(BIDS, ASKS), synced(bid(100, "1"))
    net = book.without_own(orders)
    changes: tuple[Callable[[], object], ...] = (
        lambda: book.apply_changes([(98, "5")], [], book.sequence + 1),
        lambda: orders.receive(update("match", "b100", remaining_size="0.5")),
    )
    for change in changes:
        levels = iter(net.bids)
        next(levels)
        change()
        with pytest.raises(UsageError, match="changed while"):
            next(levels)


# --- refusals ------------------------------------------------------------------------------------------------------

QUESTIONS: tuple[Callable[[NetBook], object], ...] = (
    lambda net: net.best_bid,
    lambda net: net.bids,
    lambda net: net.exact.spread,
    lambda net: net.raw.mid,
    lambda net: net.depth(1),
    lambda net: net.imbalance(levels=1),
    lambda net: net.fill(Side.ASK, size=1),
    lambda net: net.cumulative(Side.BID, 1),
    lambda net: net.overdrawn,
    lambda net: net.is_settled,
)


@pytest.mark.parametrize("ask_it", QUESTIONS)
def test_it_answers_only_of_what_can_be_trusted(ask_it: Callable[[NetBook], object]) -> None:
    """A book that is LIVE, and orders that are synced; a ladder that was taken earlier is guarded as well."""
    book, orders = book_of(BIDS, ASKS), synced(bid(100, "1"))
    net = book.without_own(orders)
    levels = net.bids
    ask_it(net)

    orders.lost("the link is down")
    with pytest.raises(OrdersNotSynced, match="the link is down"):
        ask_it(net)
    with pytest.raises(OrdersNotSynced):
        levels[0]
    book.mark(BookState.STALE, "silent", 5)
    with pytest.raises(BookNotLive, match="silent"):
        ask_it(net)
    orders.finish_reread(orders.begin_reread(), [])
    with pytest.raises(BookNotLive):
        ask_it(net)
    book.mark(BookState.LIVE, "back", 6)
    ask_it(net)


def test_what_it_says_of_itself() -> None:
    """Its state is the book's, and SYNCING while the orders are not known; a view never raises."""
    book, orders = book_of(BIDS, ASKS), OwnOrders()
    net = book.without_own(orders)

    assert (BookState.SYNCING, False) == (net.state, net.is_live)
    assert "own orders are not synced: the open orders were not read yet" == net.reason
    view = net.view(2)
    assert ((), (), False, BookState.SYNCING, 7) == (view.bids, view.asks, view.is_settled, view.state, view.sequence)
    orders.finish_reread(orders.begin_reread(), [])
    assert (BookState.LIVE, True, "snapshot applied") == (net.state, net.is_live, net.reason)
    assert net.view(2).is_settled
    assert 2 == len(net.exact.view(2).asks)
    book.mark(BookState.STALE, "silent", 5)
    assert (BookState.STALE, "silent", ()) == (net.state, net.reason, net.view(2).bids)
    assert "<NetBook float BTC-USDT STALE (silent) sequence=7 epoch=1 levels=3+3>" == repr(net)


def test_the_horizon_is_the_books() -> None:
    """What lies past it is not known, one's own or not, and levels that are gone do not move it."""
    book = book_of(BIDS, ASKS, depth=3)
    net = book.without_own(synced(bid(98, "4"), bid(99, "1"), bid(90, "1"), ask(101, "0.5")))

    assert (98.0, 104.0) == (net.bids.horizon, net.asks.horizon)
    assert (1, 2) == (len(net.bids), len(net.asks))
    assert Level(100.0, 2.5) == net.bids[0]
    for question in (lambda: net.bids[1], lambda: net.depth(2), lambda: net.bids.size_at(90), lambda: list(net.bids)):
        with pytest.raises(BeyondHorizon):
            question()
    assert 0 == net.bids.size_at(98)
    assert () == net.overdrawn
    assert net.depth(2, allow_partial=True).partial


def test_a_side_of_ones_own_alone_may_have_others_past_the_horizon() -> None:
    """So it has no best level that is known."""
    net = book_of(BIDS[:1], ASKS, depth=1).without_own(synced(bid(100, "2.5")))

    with pytest.raises(BeyondHorizon):
        net.best_bid
    assert (None, True) == tuple(net.imbalance(bps=10, allow_partial=True))


# --- what is uncertain ---------------------------------------------------------------------------------------------


def test_more_of_ones_own_than_stands_there() -> None:
    """Leaves nothing, and says so."""
    own = [bid(100, "2.6"), ask(103, "1"), ask(102, "3"), listed("fine", side=Side.ASK, price="101.5")]
    net = book_of(BIDS, ASKS).without_own(synced(*own))

    assert 0 == net.bids.size_at(100)
    assert Level(99.0, 1.0) == net.best_bid
    assert [101.0, 104.0] == [level.price for level in net.asks]
    assert (
        Overdrawn(Side.BID, Decimal(100), Decimal("2.6"), Decimal("2.5")),
        Overdrawn(Side.ASK, Decimal(103), Decimal(1), Decimal(0)),
        Overdrawn(Side.ASK, Decimal("101.5"), Decimal(2), Decimal(0)),
    ) == net.overdrawn
    assert net.exact.overdrawn == net.overdrawn
    assert not net.is_settled
    assert not net.view(1).is_settled


RACES: tuple[tuple[str, tuple[str, ...], str, bool], ...] = (
    ("both are told", ("order", "book"), "2.5", True),
    ("the order is told first", ("order",), "0.5", False),
    ("the book is told first", ("book",), "4.5", True),
    ("the book first, then the order", ("book", "order"), "2.5", True),
)


@pytest.mark.parametrize(("told", "size", "is_settled"), [race[1:] for race in RACES], ids=[race[0] for race in RACES])
def test_the_two_streams_of_an_order_that_opens(told: tuple[str, ...], size: str, is_settled: bool) -> None:
    """Whichever is first, the level is off by the order until the other one is there; an order that is ahead shows."""
    book, orders = book_of(BIDS, ASKS), synced()
    net = book.without_own(orders)
    for one in told:
        if one == "order":
            orders.receive(update("open", ns=1_005 * MS))
        else:
            book.apply_changes([(100, "4.5")], [], 8, venue_ms=1_006)

    assert Decimal(size) == net.exact.bids.size_at(100)
    assert is_settled is net.is_settled is net.view(1).is_settled


@pytest.mark.parametrize(("venue_ms", "is_settled"), [(1_004, False), (1_005, False), (1_006, True), (None, False)])
def test_when_a_book_has_passed_an_event(venue_ms: int | None, is_settled: bool) -> None:
    """After the millisecond in which it happened; the orders' end counts as well."""
    orders = synced()
    orders.receive(update("open", ns=1_001 * MS))
    orders.receive(update("canceled", ns=1_005 * MS))
    book = OrderBook(SYMBOL)
    book.apply_snapshot(BIDS, ASKS, 7, venue_ms=venue_ms)

    assert is_settled is book.without_own(orders).is_settled


def test_it_is_neither_copied_nor_empty_of_sense() -> None:
    """A reader is no value; a view is one."""
    net = book_of(BIDS, ASKS).without_own(synced())

    with pytest.raises(TypeError, match="NetBook"):
        net.__reduce_ex__(2)
    assert net.view(1) == net.view(1)


def test_a_view_of_a_book_that_grows_too_old_while_it_is_taken() -> None:
    """It never raises: it is of one moment, though the clock does not stand still."""
    now, steps = [0], [0]

    def clock() -> int:
        now[0] += steps[0]
        return now[0]

    book = OrderBook(SYMBOL, clock=clock, max_age_ms=1)
    book.apply_snapshot(BIDS, ASKS, 7, venue_ms=1_000)
    net = book.without_own(synced())
    steps[0] = 1
    states = set()
    for age_ns in range(999_980, 1_000_005):
        now[0] = (book.heard_ns or 0) + age_ns
        view = net.view(1)
        assert view.is_settled is view.is_live is bool(view.bids)
        states.add(view.state)
    assert {BookState.LIVE, BookState.STALE} == states
