"""``orderbook.testing.compare`` and ``assert_true``: which levels of a book are not the venue's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from orderbook.book import OrderBook
from orderbook.errors import BookNotLive, UsageError
from orderbook.events import LevelDifference
from orderbook.simulator.market import Source, SymbolMarket, TrueBook
from orderbook.sync import BookSync
from orderbook.testing import assert_true, compare
from orderbook.types import Side
from tests.kucoin_frames import live

SYMBOL = "BTC-USDT"


def market() -> SymbolMarket:
    """One that has moved on a little."""
    source = SymbolMarket(SYMBOL, 1)
    for _ in range(50):
        source.advance()
    return source


def copied(source: SymbolMarket, **changed: str) -> OrderBook:
    """The venue's book; of the best bid and ask another size, if so said."""
    truth = source.book()
    bids, asks = list(truth.bids), list(truth.asks)
    for levels, name in ((bids, "bid"), (asks, "ask")):
        if name in changed:
            levels[0] = (levels[0][0], changed[name])
    book = OrderBook(SYMBOL)
    book.apply_snapshot(bids, asks, truth.sequence)
    return book


def test_a_true_book_has_no_differences() -> None:
    """Every level, price and size, however they are written."""
    source = market()

    assert () == compare(copied(source), source)
    assert_true(copied(source), source)


def test_what_differs_is_named() -> None:
    """A size that is another, and a level that is not there; bids before asks."""
    source = market()
    (bid, bid_size), (ask, ask_size) = source.book().bids[0], source.book().asks[0]

    found = compare(copied(source, bid="123", ask="0"), source)

    assert (LevelDifference(Side.BID, bid, "123", bid_size), LevelDifference(Side.ASK, ask, "0", ask_size)) == found


def test_the_message_says_which_and_how_many() -> None:
    """Five of them at most."""
    source = market()
    book = OrderBook(SYMBOL)
    book.apply_snapshot([], source.book().asks, source.sequence)

    with pytest.raises(AssertionError, match=rf"{SYMBOL} at {source.sequence} differs .* on \d+ levels") as raised:
        assert_true(book, source)
    lines = str(raised.value).splitlines()
    assert f"  BID {source.book().bids[0][0]}: 0, the venue has {source.book().bids[0][1]}" == lines[1]
    assert 7 == len(lines)
    assert f"  and {len(source.book().bids) - 5} more" == lines[6]


def test_few_differences_are_all_named() -> None:
    """And nothing is said of more."""
    source = market()
    with pytest.raises(AssertionError) as raised:
        assert_true(copied(source, bid="123"), source)
    assert 2 == len(str(raised.value).splitlines())


def test_it_is_the_truth_of_the_books_own_sequence() -> None:
    """The venue may be ahead; that is not this function's business."""
    source = market()
    book = copied(source)
    for _ in range(20):
        source.advance()

    assert () == compare(book, source)


def test_a_partial_book_is_compared_as_far_as_it_reaches() -> None:
    """Beyond the horizon nothing is claimed, within it everything."""
    source = market()
    truth = source.book()
    rows = [[[*level] for level in side[:20]] for side in (truth.bids, truth.asks)]
    text = f'{{"code":"200000","data":{{"sequence":"{truth.sequence}","bids":%s,"asks":%s}}}}'

    def seeded() -> OrderBook:
        sync = BookSync("kucoin", SYMBOL)
        body = (text % (str(rows[0]), str(rows[1]))).replace("'", '"')
        sync.receive_snapshot(body, depth=20)
        sync.receive_probe(truth.sequence)
        return sync.book

    assert () == compare(seeded(), source)
    del rows[0][10]
    rows[0].append([*truth.bids[20]])
    assert [truth.bids[10][0]] == [one.price for one in compare(seeded(), source)]
    # A view is partial, or ends before the horizon.
    assert [truth.bids[10][0]] == [one.price for one in compare(seeded().view(100), source)]
    assert [truth.bids[10][0]] == [one.price for one in compare(seeded().view(15), source)]
    assert () == compare(seeded().view(10), source)


def test_a_view_is_compared_as_far_as_it_reaches() -> None:
    """In floats or exact; of what lies beyond its last level nothing is said."""
    source = market()
    true, false = copied(source), copied(source, bid="123")
    bid, size = source.book().bids[0]

    for view in (true.view(10), true.exact.view(10), true.view(100_000)):
        assert () == compare(view, source)
        assert_true(view, source)
    for view in (false.view(10), false.exact.view(10)):
        assert (LevelDifference(Side.BID, bid, "123", size),) == compare(view, source)
    with pytest.raises(AssertionError, match=rf"{SYMBOL} at {source.sequence} differs .* on 1 levels"):
        assert_true(false.view(1), source)


def test_a_level_that_a_view_misses_is_seen() -> None:
    """In its middle, and where a side has too few."""
    source = market()
    truth = source.book()
    book = OrderBook(SYMBOL)
    book.apply_snapshot([*truth.bids[:3], *truth.bids[4:]], truth.asks[:2], truth.sequence)

    found = compare(book.view(5), source)

    missing = [truth.bids[3], *truth.asks[2:5]]
    assert missing == [(one.price, one.theirs) for one in found]
    assert {"0"} == {one.ours for one in found}
    nothing = OrderBook(SYMBOL)
    nothing.apply_snapshot([], [], truth.sequence)
    assert [truth.bids[0][0], truth.asks[0][0]] == [one.price for one in compare(nothing.view(3), source)]


def test_floats_are_as_exact_as_floats_are() -> None:
    """A number with more digits than a float has is equal to the nearest one."""
    price, size = "1234567.12345678912", "0.123456789012345678"

    class Long:
        def book(self, sequence: int) -> TrueBook:
            return TrueBook(sequence, ((price, size),), (("1234568", "1"),))

    book = OrderBook(SYMBOL)
    book.apply_snapshot([(price, size)], [("1234568", "1")], 7)

    assert () == compare(book.view(1), cast("Source", Long()))
    assert () == compare(book.exact.view(1), cast("Source", Long()))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (lambda book: book.exact, "a book or a view of one is compared, not "),
        (lambda book: book.raw.view(3), "a view of scaled integers does not say what they mean"),
        (lambda _: None, "a book or a view of one is compared, not NoneType"),
    ],
)
def test_what_is_no_book_is_refused(given: Callable[[OrderBook], Any], problem: str) -> None:
    """With what can be compared instead."""
    source = market()
    with pytest.raises(UsageError, match=problem):
        compare(given(copied(source)), source)


def test_a_book_that_promises_nothing_is_not_judged() -> None:
    """Nor is one at a sequence that the venue never had."""
    with pytest.raises(BookNotLive):
        compare(OrderBook(SYMBOL), market())
    with pytest.raises(BookNotLive):
        compare(OrderBook(SYMBOL).view(1), market())
    with pytest.raises(UsageError, match="sequence 11 is not one of epoch 0"):
        assert_true(live().book, market())
