"""What is queued ahead of an order: tables of what happens at its level, and what the estimate makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from orderbook.book import OrderBook
from orderbook.errors import BeyondHorizon, BookNotLive, OrdersNotSynced
from orderbook.own import OwnOrders, OwnQueue, QueueAhead
from orderbook.types import BookState
from tests.own_orders import MS, SYMBOL, listed, synced, trade, update


class Level:
    """A level at 100 of the book's bids, with 10 of others and an order "a" of 2 behind them, at ms 1,000."""

    def __init__(self, venue_ms: int | None = 1_001) -> None:
        self.book = OrderBook(SYMBOL)
        self.book.apply_snapshot([(100, 12)], [(101, 1)], 1, venue_ms=venue_ms)
        self.orders = synced()
        self.orders.receive(update("open", ns=1_000 * MS))
        self.queue = OwnQueue(self.book, self.orders)
        self.queue.observe()
        self.trades = 0

    def size(self, size: str, ms: int) -> Level:
        """The book tells the level's size."""
        self.book.apply_changes([(100, size)], [], self.book.sequence + 1, venue_ms=ms)
        self.queue.observe()
        return self

    def trade(self, size: str, ms: int, *, price: str = "100", side: str = "sell", maker: str = "other") -> Level:
        """Somebody takes from it."""
        self.trades += 1
        self.queue.receive_trade(trade(size, ms=ms, sequence=self.trades, price=price, side=side, maker=maker))
        return self

    def order(self, event: str, order_id: str = "a", *, ms: int, **values: str) -> Level:
        """The order stream tells something."""
        self.orders.receive(update(event, order_id, ns=ms * MS, **values))
        self.queue.observe()
        return self

    def opened(self, order_id: str, size: str, *, ms: int) -> Level:
        """Another one of one's own comes."""
        return self.order("open", order_id, ms=ms, remaining_size=size)

    def ahead(self, order_id: str = "a") -> QueueAhead:
        """The estimate."""
        found = self.queue.ahead(order_id)
        assert found is not None
        return found


STORIES: tuple[tuple[str, Callable[[Level], object], str, str], ...] = (
    ("all that others have, at first", lambda _: None, "10", "10"),
    ("more come: behind", lambda level: level.size("15", 1_002), "10", "10"),
    ("some of many cancel", lambda level: level.size("22", 1_002).size("12", 1_003), "10", "5"),
    ("some cancel, none is behind", lambda level: level.size("9", 1_002), "7", "7"),
    ("all cancel", lambda level: level.size("2", 1_002), "0", "0"),
    ("a trade, then the book tells it", lambda level: level.trade("4", 1_002).size("8", 1_002), "6", "6"),
    (
        "the book tells a trade, then it comes",
        lambda level: level.size("8", 1_002).trade("4", 1_002),
        "6",
        "6",
    ),
    ("a trade that the book told at once", lambda level: level.trade("4", 1_001), "10", "10"),
    ("a trade from before the order", lambda level: level.trade("4", 999), "10", "10"),
    ("a trade at another price", lambda level: level.trade("4", 1_002, price="99"), "10", "10"),
    ("a trade on the other side", lambda level: level.trade("4", 1_002, side="buy"), "10", "10"),
    ("a trade of more than is ahead", lambda level: level.trade("11", 1_002), "0", "0"),
    ("a trade with the order itself", lambda level: level.trade("1", 1_002, maker="a"), "0", "0"),
    ("the order is hit", lambda level: level.order("match", ms=1_002, remaining_size="1"), "0", "0"),
    (
        "a trade, more behind, and a cancellation",
        lambda level: level.trade("4", 1_002).size("12", 1_003).size("9", 1_004),
        "6",
        "4.2",
    ),
    (
        "a trade that the book has not told, behind a level that grew",
        lambda level: level.size("22", 1_002).trade("4", 1_003).size("14", 1_004),
        "6",
        "4.5",
    ),
    (
        "the book told a trade together with what came behind",
        lambda level: level.size("22", 1_005).trade("4", 1_003),
        "6",
        "6",
    ),
    (
        "one's own before it cancels, and the order stream tells it first",
        lambda level: (
            level.opened("b", "3", ms=1_001).size("15", 1_002).order("canceled", "b", ms=1_003).size("12", 1_004)
        ),
        "10",
        "7.692307692307692307692307692307",
    ),
    (
        "one's own behind it cancels, and the book tells it first",
        lambda level: (
            level.opened("b", "3", ms=1_001).size("15", 1_002).size("12", 1_004).order("canceled", "b", ms=1_003)
        ),
        "10",
        "7",
    ),
    (
        "one's own is told before the book has it",
        lambda level: level.opened("b", "3", ms=1_005).size("15", 1_006),
        "10",
        "10",
    ),
    (
        "a trade with another one of one's own",
        lambda level: level.order("open", "b", ms=1_001).size("14", 1_002).trade("2", 1_003, maker="b"),
        "10",
        "10",
    ),
    (
        "a trade with one of one's own that ended",
        lambda level: level.order("filled", "b", ms=1_001).trade("2", 1_002, maker="b"),
        "10",
        "10",
    ),
)


@pytest.mark.parametrize(("happen", "most", "likely"), [story[1:] for story in STORIES], ids=[s[0] for s in STORIES])
def test_what_is_ahead_after(happen: Callable[[Level], object], most: str, likely: str) -> None:
    """By the model: trades take from the front, and who cancels was behind, or anywhere."""
    level = Level()
    happen(level)

    assert QueueAhead(Decimal(most), Decimal(likely), is_settled=True) == level.ahead()


def test_trades_count_once() -> None:
    """One that comes again, or late, takes nothing away."""
    level = Level()
    for sequence in (5, 5, 4):
        level.queue.receive_trade(trade("1", ms=1_002, sequence=sequence))
    level.queue.receive_trade(replace(trade("1", ms=1_002, sequence=9), symbol="ETH-USDT"))

    assert Decimal(9) == level.ahead().most


def test_before_the_book_has_seen_the_order() -> None:
    """The number is the level's whole size, and said to be uncertain; trades are not counted yet."""
    level = Level(venue_ms=1_000)

    assert QueueAhead(Decimal(12), Decimal(12), is_settled=False) == level.ahead()
    level.trade("4", 1_003)
    level.size("13", 1_000)
    assert QueueAhead(Decimal(13), Decimal(13), is_settled=False) == level.ahead()
    level.size("8", 1_004)
    assert QueueAhead(Decimal(6), Decimal(6), is_settled=True) == level.ahead()


def test_a_book_without_times_never_settles() -> None:
    """There is no telling what it has seen."""
    level = Level(venue_ms=None)
    level.book.apply_changes([(100, 7)], [], 2)
    level.trade("4", 1_003)

    assert QueueAhead(Decimal(7), Decimal(7), is_settled=False) == level.ahead()


def test_while_another_one_of_ones_own_is_not_in_the_book() -> None:
    """The level is uncertain again, and what is known is kept."""
    level = Level()
    level.opened("b", "3", ms=1_005)

    assert QueueAhead(Decimal(10), Decimal(10), is_settled=False) == level.ahead()
    level.size("6", 1_004)
    assert QueueAhead(Decimal(6), Decimal(6), is_settled=False) == level.ahead()
    level.size("9", 1_006)
    assert QueueAhead(Decimal(4), Decimal(4), is_settled=True) == level.ahead()
    assert QueueAhead(Decimal(4), Decimal(4), is_settled=True) == level.ahead("b")


def test_an_order_on_the_other_side() -> None:
    """Its queue is that of the asks, from which buyers take."""
    level = Level()
    level.orders.receive(update("open", "s", ns=1_000 * MS, side="sell", price="101", remaining_size="0.25"))

    assert Decimal("0.75") == level.ahead("s").most
    level.trade("0.5", 1_002, price="101", side="buy")
    assert Decimal("0.25") == level.ahead("s").most


def test_a_share_of_a_share_stays_short() -> None:
    """However often a level shrinks and grows, the likely size has a bounded number of digits and no end at 0."""
    level = Level()
    for turn in range(200):
        level.size("32", 1_002 + 2 * turn)
        level.size("25", 1_003 + 2 * turn)

    found = level.ahead()
    assert 0 <= found.likely < Decimal("1e-15") < found.most == 10
    assert len(str(found.likely)) < 40


def test_only_open_orders_of_the_symbol_have_a_queue() -> None:
    """Of others there is nothing to be told, and nothing is kept of them."""
    level = Level()
    level.orders.receive(update("open", "other", symbol="ETH-USDT"))

    assert None is level.queue.ahead("other")
    assert None is level.queue.ahead("never")
    level.orders.receive(update("canceled", ns=1_002 * MS))
    assert None is level.queue.ahead("a")
    level.orders.receive(update("open", "b", ns=1_000 * MS))
    level.ahead("b")
    assert ["b"] == list(level.queue._places)


def test_refusals() -> None:
    """As for every other question: of a book and of orders that cannot be trusted."""
    level = Level()
    level.orders.lost("the link is down")
    level.size("3", 1_002)
    with pytest.raises(OrdersNotSynced):
        level.queue.ahead("a")

    level.orders.finish_reread(level.orders.begin_reread(), [listed(ordered_ms=1_000, opened_ns=1_000 * MS)])
    level.book.mark(BookState.STALE, "silent", 5)
    level.queue.observe()
    with pytest.raises(BookNotLive):
        level.queue.ahead("a")
    level.book.mark(BookState.LIVE, "back", 6)
    assert Decimal(1) == level.ahead().most


def test_an_order_past_the_horizon() -> None:
    """What stands there is not known; orders within it are told of all the same."""
    book = OrderBook(SYMBOL)
    book.apply_snapshot([(100, 12)], [(101, 1)], 1, depth=1, venue_ms=1_001)
    orders: OwnOrders = synced(listed("far", price="90"), listed("a"))
    queue = OwnQueue(book, orders)
    queue.observe()

    with pytest.raises(BeyondHorizon):
        queue.ahead("far")
    found = queue.ahead("a")
    assert found is not None
    assert Decimal(10) == found.most
