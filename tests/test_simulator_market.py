"""The seeded market: it looks like the market that was measured, keeps that shape, and hangs on its seed alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.chance import stream
from orderbook.simulator.listings import Listing, default_symbols, listing
from orderbook.simulator.market import PROFILES, Market, SymbolMarket
from orderbook.simulator.profiles import PRICE_TICKS, profile_named
from orderbook.simulator.source import Rules, Tick
from orderbook.types import Side
from tests.source_tree import ROOT

MEASURED: Final = "BCHSV-USDT"


# --- what it looks like ----------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """Shares of the changes, half of which are within ``near_bps`` of the touch; and the size of the book."""

    sequence_only: float
    deleted: float
    new_best: float
    at_touch: float
    updated: float
    bids: float
    near_bps: float
    far_bps: float
    spread: float
    levels: tuple[int, int]


@cache
def shape(profile: str, seed: int, count: int = 8_000, symbol: str = MEASURED) -> Shape:
    """Measure a market with one event a message over so many events; distances from the touch before the change."""
    market = SymbolMarket(symbol, seed, profile)
    truth = market.truth
    real: list[tuple[float, bool, bool, bool]] = []
    spreads, levels = [], []
    for _ in range(count):
        before = (truth.bids[-1], truth.asks[-1])
        known = len(truth.sizes)
        tick = market.advance()
        (row,) = tick.bids or tick.asks
        spreads.append(-truth.asks[-1] - truth.bids[-1])
        levels.append(len(truth.sizes))
        if row[0] == "0":
            assert "0" == row[1]
            continue
        price = int(Decimal(row[0]) / Decimal(market.rules.tick))
        distance = before[0] - price if tick.bids else price + before[1]
        changed = row[1] != "0" and len(truth.sizes) == known
        real.append((distance / price * 10_000, row[1] == "0", changed, bool(tick.bids)))
    distances = sorted(one[0] for one in real)
    n = len(real)
    return Shape(
        (count - n) / count,
        sum(one[1] for one in real) / n,
        sum(one[0] < 0 for one in real) / n,
        sum(one[0] == 0 for one in real) / n,
        sum(one[2] for one in real) / n,
        sum(one[3] for one in real) / n,
        median(distances),
        distances[n * 9 // 10],
        median(spreads),
        (min(levels), max(levels)),
    )


def test_the_normal_market_is_like_the_one_measured() -> None:
    """Its shares are those of the busy recorded symbol, on the average of some seeds."""
    shapes = [shape("normal", seed) for seed in range(4)]
    mean = {name: sum(getattr(one, name) for one in shapes) / len(shapes) for name in Shape._fields[:-1]}
    shares = {"sequence_only": 0.35, "deleted": 0.44, "new_best": 0.10, "at_touch": 0.10, "updated": 0.09, "bids": 0.54}
    assert shares == pytest.approx({name: mean[name] for name in shares}, abs=0.03)
    assert 9 == pytest.approx(mean["near_bps"], abs=2)
    assert 63 == pytest.approx(mean["far_bps"], abs=15)
    assert 290 == pytest.approx(mean["spread"], abs=80)
    assert all(570 <= one.levels[0] and one.levels[1] <= 1_680 for one in shapes)


@pytest.mark.parametrize("symbol", ["BTC-USDT", "DOGE-USDT", "CAPP-BTC", "SIM007-USDT"])
def test_the_shape_follows_the_price(symbol: str) -> None:
    """Whatever the price in ticks, the shares and the distance in basis points are about the same."""
    one = shape("normal", 1, symbol=symbol)
    assert (0.44, 0.10, 0.10) == pytest.approx((one.deleted, one.new_best, one.at_touch), abs=0.04)
    assert 9 == pytest.approx(one.near_bps, abs=3)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_market_runs_away(profile: str) -> None:
    """After ten minutes of a busy symbol the book still has the levels, the sides and the spread that it began with."""
    market = SymbolMarket(MEASURED, 2, profile)
    habits, truth = PROFILES[profile], market.truth
    spreads, bids, asks = [], [], []
    while truth.events < 48_000:
        market.advance()
        spreads.append(-truth.asks[-1] - truth.bids[-1])
        bids.append(len(truth.bids))
        asks.append(len(truth.asks))
    late = len(spreads) // 2
    middle = sum(habits.spread) / 2
    assert middle / 3 < median(spreads[late:]) < middle * 3
    slack = 0.7 if habits.trend_bps else 0.15
    for wanted, counts in ((habits.bids, bids[late:]), (habits.asks, asks[late:])):
        assert wanted * (1 - slack) < min(counts) <= max(counts) < wanted * (1 + slack)


def test_far_more_asks_than_bids_with_heavy_tailed_gaps_and_sizes() -> None:
    """As in the measured books: few levels near the touch, gaps and sizes over decades."""
    market = SymbolMarket(MEASURED, 3)
    for _ in range(20_000):
        market.advance()
    truth = market.truth
    assert 2 * len(truth.bids) < len(truth.asks) < 7 * len(truth.bids)
    gaps = sorted(b - a for keys in (truth.bids, truth.asks) for a, b in pairwise(keys))
    assert 50 < gaps[len(gaps) // 2] < 200
    assert gaps[len(gaps) * 9 // 10] > 5 * gaps[len(gaps) // 2]
    sizes = sorted(truth.sizes.values())
    assert sizes[len(sizes) * 99 // 100] > 10_000 * sizes[len(sizes) // 100]
    assert 0.2 < sum(set(str(size)[1:]) <= {"0"} for size in sizes) / len(sizes) < 0.4


@pytest.mark.parametrize("rate", [None, 2.0, 100.0, 5_000.0])
@pytest.mark.parametrize("profile", ["normal", "storm"])
def test_messages_come_at_the_rate_in_groups(profile: str, rate: float | None) -> None:
    """The average is the rate; within a group there is at most a fifth of a millisecond."""
    market = SymbolMarket(MEASURED, 4, profile, rate=rate)
    gaps = [market.gap_ns() for _ in range(40_000)]
    assert min(gaps) >= 0
    assert (rate or PROFILES[profile].rate) == pytest.approx(len(gaps) / sum(gaps) * 1e9, rel=0.1)
    groups, lengths = 1, {1: 0}
    for gap in gaps[1:]:
        lengths[groups] = lengths.get(groups, 0)
        if gap < 200_000:
            groups += 1
        else:
            lengths[groups] += 1
            groups = 1
    if (profile, rate) == ("normal", None):
        count = sum(lengths.values())
        assert (0.35, 0.37) == pytest.approx((lengths[1] / count, lengths[2] / count), abs=0.03)
        assert 2.6 == pytest.approx(len(gaps) / count, abs=0.2)
        assert max(lengths) > 10


def test_batches_carry_several_changes_of_both_sides() -> None:
    """Ranges of up to nine numbers, both sides in one delta, and numbers without a row."""
    market = SymbolMarket(MEASURED, 5, "batches")
    ticks = [market.advance() for _ in range(2_000)]
    assert {1, 2, 3, 4, 6, 9} == {tick.sequence_end - tick.sequence_start + 1 for tick in ticks}
    assert any(tick.bids and tick.asks for tick in ticks)
    assert any(len(tick.bids) + len(tick.asks) < tick.sequence_end - tick.sequence_start + 1 for tick in ticks)
    for tick in ticks:
        for rows in (tick.bids, tick.asks):
            prices = [Decimal(row[0]) for row in rows]
            assert len(prices) == len(set(prices))


@pytest.mark.parametrize("side", Side)
def test_a_trending_market_leaves_the_horizon_of_100_levels_behind(side: Side) -> None:
    """It goes up, then down: the touch passes the 100th level of a snapshot taken at the turn within a minute."""
    market = SymbolMarket(MEASURED, 6, "trending")
    turns = 10_000 * PROFILES["trending"].trend_band / PROFILES["trending"].trend_bps
    if side is Side.BID:
        while market.truth.events < turns * 1.6:
            market.advance()
    keys = market.truth.ladder(side)
    horizon = keys[-100]
    for _ in range(60 * 79):
        market.advance()
        if keys[-1] < horizon:
            break
    assert keys[-1] < horizon


def test_quiet_and_deep_are_what_they_say() -> None:
    """A quiet symbol has 2 to 8 messages a second, an illiquid one an hour; a deep book has 50,000 levels."""
    assert 2 <= PROFILES["quiet"].rate <= 8
    illiquid = SymbolMarket(MEASURED, 0, "illiquid")
    assert 3_600 == pytest.approx(sum(illiquid.gap_ns() for _ in range(4_000)) / 4_000 / 1e9, rel=0.1)
    for symbol in default_symbols(3):
        truth = SymbolMarket(symbol, 0, "deep").truth
        assert (17_000, 33_000) == (len(truth.bids), len(truth.asks))
    assert PROFILES["storm"].rate > 10 * PROFILES["normal"].rate


# --- the seed --------------------------------------------------------------------------------------------------------


def course(market: SymbolMarket, count: int = 300) -> list[tuple[int, Tick]]:
    """The next deltas with their gaps."""
    return [(market.gap_ns(), market.advance()) for _ in range(count)]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_seed_gives_the_same_market(profile: str) -> None:
    """Nothing but seed, symbol and profile decides."""
    assert course(SymbolMarket(MEASURED, 1, profile)) == course(SymbolMarket(MEASURED, 1, profile))
    assert course(SymbolMarket(MEASURED, 1, profile)) != course(SymbolMarket(MEASURED, 2, profile))


def test_a_symbol_does_not_depend_on_its_neighbours() -> None:
    """Symbols draw from streams of their own, so one more beside them, or another order of events, shifts nothing."""
    alone = course(SymbolMarket("ETH-USDT", 3))
    market = Market(["BTC-USDT", "ETH-USDT", "KCS-USDT"], seed=3)
    course(market["KCS-USDT"])
    assert alone == course(market["ETH-USDT"])
    assert [gap for gap, _ in alone] != [gap for gap, _ in course(market["BTC-USDT"])]


def test_times_and_changes_are_drawn_apart() -> None:
    """Whoever does not ask for gaps, or asks for another rate, sees the same changes."""
    market = SymbolMarket(MEASURED, 4, rate=5.0)
    assert [tick for _, tick in course(SymbolMarket(MEASURED, 4))] == [market.advance() for _ in range(300)]
    assert stream(1, "a").random() != stream(1, "b").random() != stream(2, "b").random()


def test_the_same_in_every_process() -> None:
    """No order of a set and no hash of a process gets into the stream."""
    code = (
        "from orderbook.simulator.market import *; m = SymbolMarket('KCS-USDT', 5, 'batches');"
        "[m.advance() for _ in range(500)]; print(m.digest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    market = SymbolMarket("KCS-USDT", 5, "batches")
    for _ in range(500):
        market.advance()
    assert {f"{market.digest()}\n"} == printed


# --- symbols ---------------------------------------------------------------------------------------------------------


def test_a_market_maps_symbols_to_their_markets() -> None:
    """By name, in the order given; a number asks for the usual ones."""
    market = Market(3, seed=1, profile="quiet", rate=7.0)
    assert ["BTC-USDT", "ETH-USDT", "SOL-USDT"] == list(market)
    assert (3, "SOL-USDT", 7.0) == (len(market), market["SOL-USDT"].symbol, market["SOL-USDT"].profile.rate)
    assert "XRP-USDT" not in market
    with pytest.raises(UsageError, match="stands twice"):
        Market(["BTC-USDT", "BTC-USDT"])


def test_listings_are_plausible_and_always_the_same() -> None:
    """Known names have the steps and prices that they are known by; others get some from their name."""
    symbols = default_symbols(60)
    assert (60, 60) == (len(symbols), len(set(symbols)))
    assert ("BTC-USDT", "SIM050-USDT") == (symbols[0], symbols[-1])
    assert ("BTC-USDT",) == default_symbols(1)
    assert Listing(Rules("BTC-USDT", "BTC", "USDT", "0.1", "0.00000001"), "67012.3") == listing("BTC-USDT")
    for symbol in symbols:
        one = listing(symbol)
        assert one == listing(symbol)
        assert 0 == Decimal(one.price) % Decimal(one.rules.tick)
        assert one.price_ticks == Decimal(one.price) / Decimal(one.rules.tick)
        assert f"{one.rules.base}-{one.rules.quote}" == symbol
        assert 100 < one.size_lots < 10**12
    assert {PRICE_TICKS // 1_000} == {listing(MEASURED).price_ticks // 1_000}


def test_a_cheap_instrument_has_no_price_below_its_tick() -> None:
    """Where a book has fewer prices than the profile has bids, it has fewer bids, and goes on."""
    cheap = Listing(Rules("CHEAP-USDT", "CHEAP", "USDT", "0.01", "1"), "0.40")
    market = SymbolMarket(cheap, 1)
    for _ in range(5_000):
        market.advance()
        assert 0 < market.truth.bids[0] <= market.truth.bids[-1] < -market.truth.asks[-1]


def test_a_step_of_1_has_no_decimals() -> None:
    """Texts are whole numbers then."""
    one = Listing(Rules("WHOLE-JPY", "WHOLE", "JPY", "1", "1"), "243000")
    market = SymbolMarket(one, 1)
    rows = [row for _, tick in course(market) for row in (*tick.bids, *tick.asks)]
    assert all(text.isdigit() for row in rows for text in row)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: SymbolMarket("BTCUSDT"), "look like BTC-USDT"),
        (lambda: SymbolMarket("A-B-C"), "look like BTC-USDT"),
        (lambda: SymbolMarket(MEASURED, 0, "calm"), "there are normal, quiet"),
        (lambda: SymbolMarket(MEASURED, rate=0.0), "above 0"),
        (lambda: SymbolMarket(MEASURED, rate=float("nan")), "above 0"),
        (lambda: SymbolMarket(MEASURED, history=0), "at least 1"),
        (lambda: default_symbols(-1), "not negative"),
        (lambda: Listing(Rules("A-B", "A", "B", "0.05", "1"), "1").price_ticks, "a step of 0.05"),
        (lambda: Listing(Rules("A-B", "A", "B", "10", "1"), "10").price_ticks, "a step of 10"),
        (lambda: profile_named(""), "no market profile"),
    ],
)
def test_mistakes_are_named(mistake: Callable[[], object], words: str) -> None:
    """Before anything begins, in words that say what there is instead."""
    with pytest.raises(UsageError, match=words):
        mistake()
