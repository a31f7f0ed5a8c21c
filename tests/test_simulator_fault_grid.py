"""A market in which something happens to the instruments: another tick, trading stopped, counting begun anew."""

from __future__ import annotations

import json
from decimal import Decimal
from statistics import median
from typing import Final

import pytest

from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.listings import Listing, listing
from orderbook.simulator.market import PROFILES, Market, SymbolMarket
from orderbook.simulator.rest import Reply
from orderbook.simulator.source import Rules
from orderbook.simulator.truth import book_digest
from tests.simulator_bench import MS, A, B, bench_with

MEASURED: Final = "BCHSV-USDT"

# --- the grid --------------------------------------------------------------------------------------------------------


def replayed(market: SymbolMarket, book: dict[Decimal, Decimal], count: int) -> None:
    """Apply the next deltas to a plain book, signed prices to sizes, and compare."""
    for _ in range(count):
        tick = market.advance()
        for sign, rows in ((1, tick.bids), (-1, tick.asks)):
            for price, size, _ in rows:
                book.pop(sign * Decimal(price), None)
                if Decimal(size):
                    book[sign * Decimal(price)] = Decimal(size)
    assert book == as_plain(market)


def as_plain(market: SymbolMarket, sequence: int | None = None) -> dict[Decimal, Decimal]:
    """The market's book."""
    true = market.book(sequence)
    sides = ((1, true.bids), (-1, true.asks))
    return {sign * Decimal(price): Decimal(size) for sign, levels in sides for price, size in levels}


def decimals(book: dict[Decimal, Decimal]) -> int:
    """Of the finest price."""
    return max(-int(price.normalize().as_tuple().exponent) for price in book)


@pytest.mark.parametrize("profile", ["normal", "batches", "trending"])
def test_a_change_of_the_tick_changes_no_price(profile: str) -> None:
    """Deltas go on as before, on the new grid; every book of the past stays what it was; and so does the digest."""
    market = SymbolMarket(MEASURED, 5, profile)
    book = as_plain(market)
    kept = []
    for number, finer in enumerate((True, True, False, False, False, True)):
        # Also between a row of nothing and the change that it announces.
        replayed(market, book, 301 + number)
        before = (market.sequence, as_plain(market), market.digest())
        assert market.change_tick(finer=finer)
        assert before == (market.sequence, as_plain(market), market.digest())
        kept.append(before)
    replayed(market, book, 1_000)
    for sequence, levels, digest in kept:
        assert (levels, digest) == (as_plain(market, sequence), market.digest(sequence))
        assert digest == book_digest(*market.book(sequence)[1:])


def test_a_change_that_was_announced_before_it_happens_on_the_new_grid() -> None:
    """After the row of nothing that goes before an added order, the order still has the price that was meant."""
    plain, changed = (SymbolMarket(MEASURED, 7) for _ in range(2))
    rows = [("1", "1", "")]
    while rows[0][:2] != ("0", "0"):
        plain.advance()
        tick = changed.advance()
        rows = [*tick.bids, *tick.asks]
    assert changed.change_tick(finer=True)
    meant, told = plain.advance(), changed.advance()

    (wanted,), (row,) = ((*tick.bids, *tick.asks) for tick in (meant, told))
    assert list(map(Decimal, wanted)) == list(map(Decimal, row))
    assert plain.digest() == changed.digest()


def test_a_finer_tick_shows_in_new_prices_and_a_coarser_one_too() -> None:
    """Ten times finer: more decimals. Ten times coarser: new levels have fewer, and old ones stay for a while."""
    market = SymbolMarket(MEASURED, 6)
    book = as_plain(market)
    old = set(book)
    assert ("0.001", 3) == (market.rules.tick, decimals(book))
    market.change_tick(finer=True)
    replayed(market, book, 500)
    assert ("0.0001", 4) == (market.rules.tick, decimals(book))
    for tick in ("0.001", "0.01"):
        market.change_tick(finer=False)
        assert tick == market.rules.tick
    young = set(book)
    replayed(market, book, 500)
    assert 2 == decimals(dict.fromkeys(set(book) - young, Decimal(1)))
    assert set(book) & old


def test_the_shape_survives_a_change_of_the_tick() -> None:
    """Distances are those of before: neither spread nor depth runs away on the new grid."""
    market = SymbolMarket(MEASURED, 2)
    market.change_tick(finer=True)
    spreads = []
    while market.truth.events < 24_000:
        market.advance()
        spreads.append(-market.truth.asks[-1] - market.truth.bids[-1])
    assert 2_450 / 3 < median(spreads[8_000:]) < 2_450 * 3
    assert 575 < len(market.truth.sizes) < 775


def test_a_tick_has_bounds() -> None:
    """What cannot be is refused, and changes nothing."""
    market = SymbolMarket(MEASURED, 1)
    coarser = [market.change_tick(finer=False) for _ in range(4)]
    assert ([True, True, False, False], "0.1") == (coarser, market.rules.tick)
    finer = [market.change_tick(finer=True) for _ in range(20)]
    assert finer == sorted(finer, reverse=True)
    assert ("0.000000000001", 20) == (market.rules.tick, finer.count(True) + finer.count(False))
    replayed(market, as_plain(market), 100)
    cheap = SymbolMarket("CAPP-BTC", 1)
    assert not cheap.change_tick(finer=False)
    while cheap.change_tick(finer=True):
        pass
    assert "0.00000000000001" == cheap.rules.tick


def test_a_tick_of_1_becomes_10() -> None:
    """Without decimals, too."""
    market = SymbolMarket(Listing(Rules("WHOLE-JPY", "WHOLE", "JPY", "1", "1"), "243000"), 1)
    assert market.change_tick(finer=False)
    book = as_plain(market)
    old = set(book)
    replayed(market, book, 300)
    assert "10" == market.rules.tick
    assert {0} == {price % 10 for price in set(book) - old}


def test_a_packed_book_takes_no_new_level() -> None:
    """Where no price is free for a while, a level changes its size; nothing is looked for in vain for long."""
    market = SymbolMarket(Listing(Rules("PACKED-USDT", "PACKED", "USDT", "1", "1"), "900"), 1, "deep")
    book = as_plain(market)
    replayed(market, book, 5_000)
    assert 890 < len(market.truth.bids) <= 900


def test_a_market_knows_what_happens_to_its_instruments() -> None:
    """A plan comes with the profile, by name or not; most have none."""
    assert () == Market(1, profile="normal").plan.faults
    assert ["sequence_reset"] == [fault.name for fault in Market(1, profile=PROFILES["reset"]).plan.faults]


# --- the grid of prices ---


def ticks_of(market: Market, count: int) -> set[int]:
    """Decimals of the prices of the next deltas that are not 0."""
    rows = [row for _ in range(count) for row in sum(market[A].advance()[3:], ())]
    return {len(price.rstrip("0").partition(".")[2]) for price, _, _ in rows if Decimal(price)}


@pytest.mark.parametrize(("how", "tick"), [("finer", "0.001"), ("coarser", "0.1")])
def test_the_tick_becomes_another(how: str, tick: str) -> None:
    """Of one symbol: its listing tells the new one, and its new prices stand on it; the other's do not change."""
    rules = Rules(A, "AAA", "USDT", "0.01", "0.001")
    market = Market([Listing(rules, "2431.58"), B], 1, "normal")
    before = market[B].rules
    exchange = Exchange(market, faults=FaultPlan([{"fault": "tick_change", "how": how, "at_ms": 5, "scope": A}]))
    exchange.advance(0)
    exchange.advance(5 * MS)
    answer = exchange.rest("GET", "/api/v2/symbols", {}, "", 5 * MS)
    assert isinstance(answer, Reply)
    listed = json.loads(answer.body)["data"]

    assert [tick, before.tick] == [one["priceIncrement"] for one in listed]
    assert [tick, before.tick] == [one["quoteIncrement"] for one in listed]
    assert (tick, before) == (market[A].rules.tick, market[B].rules)
    assert ({"tick_change": 1}, f"tick {tick}") == (exchange.ledger.totals(), exchange.ledger.entries[0].detail)
    assert (how == "finer") == (3 in ticks_of(market, 200))


def test_a_market_whose_tick_is_what_it_is_keeps_it() -> None:
    """And nothing is noted."""
    bench = bench_with("tick_change", at_ms=5)
    bench.run(10)

    assert ({}, "1") == (bench.ledger(), bench.market[A].rules.tick)


@pytest.mark.parametrize(
    ("profile", "expected"), [("tick_change", "tick_change"), ("delist", "delist"), ("reset", "sequence_reset")]
)
def test_a_profile_brings_what_happens_to_its_instruments(profile: str, expected: str) -> None:
    """Again and again, to each symbol, beside the faults that were asked for."""
    market = Market([A, B], 1, profile, rate=1.0)
    exchange = Exchange(market, faults=FaultPlan([{"fault": "clock_skew", "ms": 5, "at_ms": 1}]))
    for second in range(101):
        exchange.advance(second * 1_000 * MS)
    ledger = exchange.ledger

    assert {expected, "clock_skew"} == ledger.totals().keys()
    assert ledger.count(expected, A) == ledger.count(expected, B) >= 2
    if profile == "tick_change":
        ticks = [Decimal(one.detail.removeprefix("tick ")) for one in ledger.entries if one.symbol == B]
        usual = Decimal(listing(B).rules.tick)
        assert [usual / 10, usual, usual / 10, usual] == ticks[:4]
