"""``orderbook.testing.compare`` and ``assert_true``: which levels of a book are not the venue's."""

from __future__ import annotations

import pytest

from orderbook.book import OrderBook
from orderbook.errors import BookNotLive, UsageError
from orderbook.events import LevelDifference
from orderbook.simulator.market import SymbolMarket
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


def test_a_book_that_promises_nothing_is_not_judged() -> None:
    """Nor is one at a sequence that the venue never had."""
    with pytest.raises(BookNotLive):
        compare(OrderBook(SYMBOL), market())
    with pytest.raises(UsageError, match="sequence 11 is not one of epoch 0"):
        assert_true(live().book, market())
