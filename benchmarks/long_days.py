"""Weeks of a feed in minutes: in virtual time, against a KuCoin in memory.

    python -m benchmarks.long_days tokens            30 days of tokens and links that the venue ends after 24 h
    python -m benchmarks.long_days quiet             30 days of symbols with an event an hour, or a few a day;
                                                     then topics that go silent, with REST alive and with REST dead
    python -m benchmarks.long_days tokens --days 90 --format json

``tokens``: no connect with an expired token, no link that lives to see its end, and no book that leaves LIVE.
``quiet``: no book leaves LIVE as long as nothing is wrong; and when a topic is dead, it says so in time. Times are
those of the virtual clock, exact and the same at every run. The exit code is 1 if a bar was missed.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import click

import orderbook
from orderbook.feed.events import FeedEvent, LinkDown, LinkReplaced
from orderbook.feed.seams import Socket
from orderbook.feed.settings import FeedSettings
from orderbook.secret import Secret
from orderbook.simulator.market import SymbolMarket, default_symbols
from orderbook.simulator.profiles import NORMAL
from orderbook.testing import VirtualKuCoin, compare, run
from orderbook.testing.network import VirtualSocket
from orderbook.types import BookState

DAY_S: Final = 86_400.0
LINK_LIFE_S: Final = DAY_S
"""The venue ends a connection of this age, and gives tokens that are good for so long."""
WAY_MS: Final = 50.0
"""For a probe's way there and back, beside the ages and time-outs that are settings."""
SETTINGS = FeedSettings(audit_interval_ms=600_000)
"""With the default of 10 s between audits, most of a run's time would go into comparing books that do not move."""
PROBE_MS: Final = 10_000
"""How long a probe may go unanswered."""
MUTE_MS: Final = 120_000
"""How long a topic is silent: long enough to be found out while nobody can be asked."""
BUSY_MUTE_MS: Final = 120_000
"""The same of a busy one."""
PAUSE_S: Final = (120.0, 240.0)
"""From the end of one silence to the next one, the least and the most."""
BUSY = FeedSettings()
"""Of the feed with busy symbols."""
#: Few levels, one delta at a time: what is long here is the time, not the traffic.
SLOW: Final = replace(NORMAL, name="slow", bids=20, asks=20, groups={1: 1})


def slow_market(rates: dict[str, float], seed: int) -> dict[str, SymbolMarket]:
    """A market of symbols with so many deltas an hour, each."""
    return {name: SymbolMarket(name, seed, SLOW, rate=rate / 3600) for name, rate in rates.items()}


@dataclass
class Watch:
    """What a feed told: the changes of state that ended LIVE, and what became of its links."""

    counts: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[float, str, str]] = field(default_factory=list)
    """When (seconds of the loop's clock), whose, why."""

    def hear(self, told: FeedEvent) -> None:
        """Take note of an event."""
        event = told.event
        self.counts[type(event).__name__] += 1
        is_end = isinstance(event, orderbook.StateChanged) and event.new is BookState.CLOSED
        if isinstance(event, orderbook.StateChanged) and event.old is BookState.LIVE and not is_end:
            self.lost.append((now_s(), told.symbol or "", event.reason))

    def lost_since(self, then_s: float, symbol: str) -> tuple[float, str] | None:
        """How long after that a book left LIVE, in ms, and why; ``None``: it did not."""
        for at_s, name, reason in self.lost:
            if name == symbol and at_s >= then_s:
                return (at_s - then_s) * 1e3, reason
        return None


def now_s() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


class Links:
    """Connections that the venue ends at ``LINK_LIFE_S``, as KuCoin does."""

    def __init__(self, venue: VirtualKuCoin) -> None:
        self.opened = 0
        self._venue = venue

    async def connect(self, url: Secret) -> Socket:
        """As the venue's own."""
        socket = await self._venue.connect(url)
        assert isinstance(socket, VirtualSocket)
        self.opened += 1
        # One that is over by then does not notice.
        asyncio.get_running_loop().call_later(LINK_LIFE_S, socket.cut, "1001 24 h are over")
        return socket


@asynccontextmanager
async def kept(venue: VirtualKuCoin, watch: Watch, **options: Any) -> AsyncIterator[orderbook.Feed]:
    """A feed of all the venue's symbols whose books are LIVE, and were not watched before that."""
    async with venue.open_feed(on_event=watch.hear, **options) as feed:
        for name in feed.symbols:
            await feed.ready(name, timeout_s=60)
        yield feed


async def pass_days(days: float, *, is_shown: bool) -> None:
    """Let so many days pass, and show how many have."""
    began, left_s, day = time.monotonic(), days * DAY_S, 0
    while left_s > 0:
        step_s = min(left_s, DAY_S)
        await asyncio.sleep(step_s)
        left_s -= step_s
        day += 1
        if is_shown:
            click.echo(f"\rday {day} of {days:g}, after {time.monotonic() - began:.0f} s ", nl=False, err=True)
    if is_shown:
        click.echo("", err=True)


async def tokens(
    days: float, seed: int, *, per_hour: float = 20.0, symbols: int = 2, is_shown: bool = False
) -> dict[str, Any]:
    """Tokens that live 24 h, links that are ended after 24 h, and a feed that is to notice neither."""
    market, watch = slow_market(dict.fromkeys(default_symbols(symbols), per_hour), seed), Watch()
    async with VirtualKuCoin(market, seed=seed, ticker_ms=3_600_000, token_life_ms=int(LINK_LIFE_S * 1e3)) as venue:
        links = Links(venue)
        settings = SETTINGS
        outside = venue.outside(connect=links.connect)
        async with kept(venue, watch, settings=settings, outside=outside) as feed:
            await pass_days(days, is_shown=is_shown)
            differing = sum(len(compare(feed[name], market[name])) for name in feed.symbols)
            sequences = {name: (feed[name].sequence, market[name].sequence) for name in feed.symbols}
            # Before the feed is closed, which ends its links.
            counts = watch.counts.copy()
        return {
            "days": days,
            "roll_overs": counts[LinkReplaced.__name__],
            # A link is replaced when it is 90 to 100 % as old as the settings say.
            "roll_overs_min": int(days * DAY_S * 1e3 / settings.link_life_ms),
            "connects": links.opened,
            "links_lost": counts[LinkDown.__name__],
            "expired_tokens": venue.exchange.violations["bad_token"],
            "violations": dict(venue.exchange.violations),
            "not_live": watch.lost,
            "levels_differing": differing,
            "behind": [name for name, (ours, theirs) in sequences.items() if ours != theirs],
        }


def missed_by_tokens(found: dict[str, Any]) -> list[str]:
    """The bars that a run of ``tokens`` missed."""
    wanted = ("links_lost", "expired_tokens", "violations", "not_live", "levels_differing")
    missed = [f"{name}: {found[name]}" for name in (*wanted, "behind") if found[name]]
    if found["roll_overs"] < found["roll_overs_min"]:
        missed.append(f"roll_overs: {found['roll_overs']} of {found['roll_overs_min']} at least")
    return missed


QUIET: Final = {"BTC-USDT": 1.0, "ETH-USDT": 1.0, "SOL-USDT": 3 / 24}
"""Deltas an hour."""


async def quiet(
    days: float, seed: int, *, rates: dict[str, float] | None = None, trials: int = 10, is_shown: bool = False
) -> dict[str, Any]:
    """Symbols that are quiet for hours, and are then dead."""
    market, watch = slow_market(rates or QUIET, seed), Watch()
    settings = SETTINGS
    venue = VirtualKuCoin(market, seed=seed, ticker_ms=3_600_000)
    async with venue, kept(venue, watch, settings=settings) as feed:
        watch.lost.clear()
        await pass_days(days, is_shown=is_shown)
        found: dict[str, Any] = {
            "days": days,
            "deltas": {name: feed.counters(name).applied for name in feed.symbols},
            "false_alarms": list(watch.lost),
            "requests_a_day": venue.exchange.state()["rest_calls"] / days,
            "throttled": feed.metrics.rest_throttled,
            "violations": dict(venue.exchange.violations),
        }
        sync = settings.sync
        assert sync.symbol_silence_ms is not None
        within_ms = sync.symbol_silence_ms + sync.probe_catch_up_ms + WAY_MS
        dead_ms = within_ms + PROBE_MS
        trial = Trial(venue, market, feed, watch, random.Random(f"{seed}/trials"), MUTE_MS)
        found["quiet_muted"] = await trial.several(trials, within_ms, is_rest_dead=False)
        found["quiet_muted_rest_dead"] = await trial.several(trials, dead_ms, is_rest_dead=True)
    found |= await busy(seed, trials)
    return found


async def busy(seed: int, trials: int) -> dict[str, Any]:
    """The same for symbols with 40 deltas a second, whose silence is suspicious after 2 s."""
    rates = {"BTC-USDT": 144_000.0, "ETH-USDT": 144_000.0}
    market, watch, settings = slow_market(rates, seed), Watch(), BUSY
    async with VirtualKuCoin(market, seed=seed) as venue, kept(venue, watch, settings=settings) as feed:
        await asyncio.sleep(60)
        sync = settings.sync
        within_ms = settings.silence_min_ms + sync.probe_catch_up_ms + WAY_MS
        dead_ms = within_ms + PROBE_MS
        trial = Trial(venue, market, feed, watch, random.Random(f"{seed}/busy trials"), BUSY_MUTE_MS)
        return {
            "busy_muted": await trial.several(trials, within_ms, is_rest_dead=False),
            "busy_muted_rest_dead": await trial.several(trials, dead_ms, is_rest_dead=True),
        }


class Trial:
    """One topic after the other goes silent at a moment of chance, while its market moves on."""

    def __init__(
        self,
        venue: VirtualKuCoin,
        market: dict[str, SymbolMarket],
        feed: orderbook.Feed,
        watch: Watch,
        rng: random.Random,
        mute_ms: int,
    ) -> None:
        self._venue = venue
        self._market = market
        self._feed = feed
        self._watch = watch
        self._rng = rng
        self._mute_ms = mute_ms
        self._was_refused = False

    async def several(self, trials: int, within_ms: float, *, is_rest_dead: bool) -> dict[str, Any]:
        """How long it took to be found out, in ms from the first delta that was missing, at most ``within_ms``."""
        took: list[float] = []
        reasons: Counter[str] = Counter()
        missed = []
        for number in range(trials):
            symbol = self._feed.symbols[number % len(self._feed.symbols)]
            then_s = await self._silence(symbol, is_rest_dead=is_rest_dead)
            found = self._watch.lost_since(then_s, symbol)
            if found is None and self._was_refused:
                # Nobody could be asked in the silence before that, so it was withheld already.
                found = 0.0, "withheld before"
            if found is None or found[0] > within_ms:
                missed.append(f"{symbol}, trial {number}: {found}")
            if found is not None:
                took.append(found[0])
                reasons[found[1].rstrip("0123456789 ")] += 1
            # Healed, it has to come back.
            await self._feed.ready(symbol, timeout_s=600)
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
        return {
            "trials": trials,
            "longest_ms": round(max(took, default=0.0), 1),
            "within_ms": within_ms,
            "reasons": dict(reasons),
            "missed": missed,
        }

    async def _silence(self, symbol: str, *, is_rest_dead: bool) -> float:
        """Mute a topic and wait it out; when the first delta was missing, in seconds of the loop's clock."""
        mute = {"fault": "mute", "scope": symbol, "for_ms": self._mute_ms}
        dead = {"fault": "hang", "p": 1, "for_ms": self._mute_ms}
        self._venue.strike(mute, *([dead] if is_rest_dead else []))
        source = self._market[symbol]
        is_slow = source.profile.rate < 1
        before = source.sequence
        await asyncio.sleep(self._rng.uniform(0, 30) if is_slow else 0)
        if source.sequence == before and is_slow:
            source.gap_ns()
            source.advance()
        while source.sequence == before:  # noqa: ASYNC110 - a market tells nobody that it moves
            await asyncio.sleep(0.001)
        then_s = now_s()
        self._was_refused = not self._feed[symbol].is_live
        await asyncio.sleep(self._mute_ms / 1e3)
        return then_s


def missed_by_quiet(found: dict[str, Any]) -> list[str]:
    """The bars that a run of ``quiet`` missed."""
    missed = [f"{name}: {found[name]}" for name in ("false_alarms", "throttled", "violations") if found.get(name)]
    for name, value in found.items():
        if isinstance(value, dict) and "missed" in value:
            missed += [f"{name}: {one}" for one in value["missed"]]
    return missed


def conclude(found: dict[str, Any], missed: Sequence[str], format_: str, began: float) -> None:
    """Say what was found, and end."""
    found |= {"seconds": round(time.monotonic() - began, 1), "missed": list(missed)}
    if format_ == "json":
        click.echo(json.dumps(found))
    else:
        for name, value in found.items():
            click.echo(f"{name:24} {value}")
    sys.exit(1 if missed else 0)


@click.group()
def main() -> None:
    """Weeks of a feed in minutes."""


def options(command: Any) -> Any:
    """What all commands take."""
    for option in (
        click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table"),
        click.option("--seed", default=1, show_default=True),
        click.option("--days", default=30.0, show_default=True),
    ):
        command = option(command)
    return command


@main.command("tokens")
@options
def tokens_command(days: float, seed: int, format_: str) -> None:
    """Tokens and links that end after 24 h."""
    began = time.monotonic()
    found = run(lambda: tokens(days, seed, is_shown=True))
    conclude(found, missed_by_tokens(found), format_, began)


@main.command("quiet")
@options
def quiet_command(days: float, seed: int, format_: str) -> None:
    """Symbols that are quiet, and symbols that are dead."""
    began = time.monotonic()
    found = run(lambda: quiet(days, seed, is_shown=True))
    conclude(found, missed_by_quiet(found), format_, began)


if __name__ == "__main__":
    main()
