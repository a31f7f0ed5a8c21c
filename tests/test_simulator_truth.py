"""The simulated venue knows every book that it ever had: by sequence, by epoch, and by digest."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import pytest

from orderbook import OrderBook
from orderbook.errors import UsageError
from orderbook.simulator.market import PROFILES, SymbolMarket
from orderbook.simulator.source import Tick, TrueBook
from orderbook.simulator.truth import CHECKPOINT_EVENTS, Truth, book_digest, level_digest, plain, scaled_text
from orderbook.types import Side
from tests.source_tree import ROOT

MEASURED: Final = "BCHSV-USDT"
Sides = dict[Side, dict[Decimal, Decimal]]


def opened(book: TrueBook) -> Sides:
    """A book as plain dictionaries."""
    sides = ((Side.BID, book.bids), (Side.ASK, book.asks))
    return {side: {Decimal(price): Decimal(size) for price, size in levels} for side, levels in sides}


def apply(book: Sides, tick: Tick) -> None:
    """What the plainest reader does with a delta. Only levels that are there are deleted."""
    for side, rows in ((Side.BID, tick.bids), (Side.ASK, tick.asks)):
        for price, size, sequence in rows:
            assert tick.sequence_start <= int(sequence) <= tick.sequence_end
            if Decimal(size):
                book[side][Decimal(price)] = Decimal(size)
            elif Decimal(price):
                # In a batch a level may have come and gone.
                known = book[side].pop(Decimal(price), None)
                assert known is not None or tick.sequence_end > tick.sequence_start


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(2))
def test_every_book_of_the_past_equals_a_plain_replay(profile: str, seed: int) -> None:
    """What the deltas say is what the truth says, at random sequences, digest and order of levels included."""
    market = SymbolMarket(MEASURED, seed, profile)
    start = market.book()
    book = opened(start)
    copies = {market.sequence: opened(start)}
    rng = random.Random(seed)
    for _ in range(6_000):
        tick = market.advance()
        apply(book, tick)
        assert market.sequence == tick.sequence_end
        assert market.truth.bids[-1] < -market.truth.asks[-1]
        if rng.random() < 2.0 / len(book[Side.BID]):
            copies[tick.sequence_end] = {side: dict(levels) for side, levels in book.items()}
    copies[market.sequence] = book
    for sequence, copy in copies.items():
        true = market.book(sequence)
        assert copy == opened(true)
        assert sequence == true.sequence
        assert sorted(copy[Side.BID], reverse=True) == [Decimal(price) for price, _ in true.bids]
        assert sorted(copy[Side.ASK]) == [Decimal(price) for price, _ in true.asks]
        assert market.digest(sequence) == book_digest(true.bids, true.asks)
        assert market.book(sequence, 5) == TrueBook(sequence, true.bids[:5], true.asks[:5])


def test_an_engine_has_the_digest_of_the_market() -> None:
    """An order book that applied every delta hashes to the same number; one level off, and it does not."""
    market = SymbolMarket("ETH-USDT", 1, "batches")
    start = market.book()
    book = OrderBook("ETH-USDT")
    book.apply_snapshot(start.bids, start.asks, start.sequence)
    for _ in range(500):
        tick = market.advance()
        changed_bids, changed_asks = ([row[:2] for row in rows if row[0] != "0"] for rows in (tick.bids, tick.asks))
        book.apply_changes(changed_bids, changed_asks, tick.sequence_end)
    levels = [[(level.price, level.size) for level in side] for side in (book.exact.bids, book.exact.asks)]
    bids, asks = levels
    assert market.digest() == market.digest(book.sequence) == book_digest(bids, asks)
    assert market.digest() != book_digest(bids[1:], asks)
    assert market.digest() != book_digest([(bids[0][0], bids[0][1] * 2), *bids[1:]], asks)
    assert (book.exact.best_bid, book.exact.best_ask) == tuple(
        tuple(map(Decimal, best or ())) for best in market.ticker()
    )


def test_a_level_hashes_the_same_however_it_is_written() -> None:
    """Text, padded text, an exponent or a decimal; but not on the other side, and the same in every process."""
    digest = level_digest(Side.BID, "67012.3", "0.0033")
    assert {digest} == {
        level_digest(Side.BID, price, size)
        for price in ("67012.300", Decimal("67012.30"), "6.70123e4", "670123E-1")
        for size in ("0.00330", Decimal("0.0033"), "33e-4")
    }
    assert digest != level_digest(Side.ASK, "67012.3", "0.0033")
    assert digest != level_digest(Side.BID, "0.0033", "67012.3")
    code = (
        "from orderbook.simulator.truth import level_digest; from orderbook.types import Side;"
        "print(level_digest(Side.BID, '67012.3', '0.0033'))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(digest) == printed.stdout.strip()
    assert 0 == book_digest((), ())


def test_what_was_before_a_reset_stays_readable() -> None:
    """Each epoch has its own numbers; the book goes on as it was."""
    market = SymbolMarket(MEASURED, 7)
    base = market.sequence
    books = {(0, base): market.book()}
    for epoch, low in enumerate((5, 1_000_000), start=1):
        for _ in range(700):
            market.advance()
        last = market.sequence
        books[epoch - 1, last] = market.book()
        digest = market.digest()
        market.reset(low)
        assert (epoch, low, digest, True) == (market.epoch, market.sequence, market.digest(), market.is_anew)
        assert books[epoch - 1, last][1:] == market.book()[1:]
        assert low + 1 == market.advance().sequence_start
        books[epoch, low + 1] = market.book()
        assert not market.is_anew
    for (epoch, sequence), book in books.items():
        assert book == market.book(sequence, epoch=epoch)
        assert book_digest(book.bids, book.asks) == market.digest(sequence, epoch=epoch)
    assert 706 == market.book(epoch=1).sequence
    assert (0, base) == market.truth.oldest


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (lambda market: market.book(market.sequence + 1), "is not one of epoch 1"),
        (lambda market: market.digest(0), "is not one of epoch 1"),
        (lambda market: market.book(1, epoch=0), "is not one of epoch 0"),
        (lambda market: market.digest(epoch=2), "no epoch 2"),
        (lambda market: market.digest(epoch=-1), "no epoch -1"),
        (lambda market: market.reset(-1), "begin at 0"),
    ],
)
def test_what_never_happened_cannot_be_asked(question: Callable[[SymbolMarket], object], words: str) -> None:
    """A sequence outside of its epoch is the caller's mistake, and named."""
    market = SymbolMarket(MEASURED, 8)
    market.reset(10)
    market.advance()
    with pytest.raises(UsageError, match=words):
        question(market)


def test_the_past_is_bounded() -> None:
    """As many events as asked for are remembered, hardly more; older ones are refused by name."""
    market = SymbolMarket(MEASURED, 9, history=2_500)
    first = market.sequence
    for _ in range(10_000):
        market.advance()
    epoch, oldest = market.truth.oldest
    assert (0, True) == (epoch, 2_500 <= market.sequence - oldest <= 2_500 + 2 * CHECKPOINT_EVENTS)
    for sequence in (oldest, oldest + 1, oldest + 1_500, market.sequence):
        book = market.book(sequence)
        assert book_digest(book.bids, book.asks) == market.digest(sequence)
    with pytest.raises(UsageError, match="is forgotten"):
        market.book(oldest - 1)
    with pytest.raises(UsageError, match="is forgotten"):
        market.digest(first)


def test_a_truth_takes_removals_of_what_is_not_there() -> None:
    """They change nothing but the sequence; and a side may be empty."""
    truth = Truth([(100, 5)], base=0, price_decimals=2, size_decimals=0)
    digest = truth.digest()
    for key in (99, -120, 0):
        truth.happen(key, 0)
    assert (3, digest) == (truth.sequence, truth.digest())
    assert (("1", "5"), None) == truth.top()
    truth.happen(100, 0)
    assert (0, TrueBook(4, (), ()), (None, None)) == (truth.digest(), truth.book(), truth.top())
    with pytest.raises(UsageError, match="at least 1"):
        Truth([], base=0, price_decimals=0, size_decimals=0, history=0)


def test_numbers_as_text() -> None:
    """Plain decimal text, with or without its zeros."""
    cases = {(0, 0): "0", (5, 0): "5", (5, 2): "0.05", (50, 2): "0.5", (500, 2): "5", (12_345, 3): "12.345"}
    assert cases == {arguments: scaled_text(*arguments) for arguments in cases}
    assert ("0.50", "5.00", "5") == tuple(
        scaled_text(value, decimals, padded=True) for value, decimals in ((50, 2), (500, 2), (5, 0))
    )
    assert ["100", "100", "0.1", "1000"] == [plain(text) for text in ("100", "100.00", "1e-1", Decimal("1E3"))]
