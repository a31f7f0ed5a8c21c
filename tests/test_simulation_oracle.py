"""The laws of the simulation: each is shown to fail where it should, and none where nothing is wrong."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from orderbook.events import Event, StateChanged
from orderbook.feed.seams import Connect, Socket
from orderbook.feed.settings import FeedSettings
from orderbook.secret import Secret
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.market import SymbolMarket
from orderbook.sync import BookSync
from orderbook.testing import VirtualKuCoin
from orderbook.types import BookState, Side
from tests.simulation.case import SYMBOLS
from tests.simulation.oracle import Oracle
from tests.simulation.planted import PLANTED, case_of
from tests.simulation.planted_errors import Make, around, made
from tests.simulation.running import Outcome, _Run, simulate
from tests.told import COUNTED
from tests.waiting import elapse

CALM = case_of(duration_ms=3_000)(1)


def laws(outcome: Outcome) -> set[str]:
    """Which laws a run broke."""
    return {breach.law for breach in outcome.breaches}


def test_a_calm_run_breaks_no_law_and_is_looked_at() -> None:
    """An oracle that does not look, or a book that is never LIVE, would pass, too."""
    outcome = simulate(CALM, replay=True)
    assert [] == outcome.breaches
    assert outcome.compared > 0.8 * outcome.frames > 20
    assert outcome.live_share > 0.7


def test_the_same_case_twice_tells_the_same() -> None:
    """Nothing but the case decides; and another seed is another run."""
    first, second, other = (simulate(case_of(duration_ms=3_000)(seed)).trace for seed in (1, 1, 2))
    assert first == second != other


# --- I1 to I4: the book ----------------------------------------------------------------------------------------------


def after_deltas(count: int, then: Callable[[BookSync], None]) -> Make:
    """The real engine, to which something is done, once, when it has applied so many deltas."""

    def change(sync: BookSync) -> None:
        def receive(method: Callable[..., Sequence[Event]], *args: Any) -> Sequence[Event]:
            before = sync.counters.applied
            events = method(*args)
            if before < count <= sync.counters.applied:
                then(sync)
            return events

        around(sync, "receive_decoded", receive)

    return made(change)


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("at", [0, -1], ids=["touch", "bottom"])
def test_one_wrong_level_anywhere_breaks_the_first_law(side: Side, at: int) -> None:
    """The level farthest out counts as much as the touch, though no delta names it, and the engine finds it itself."""

    def tamper(sync: BookSync) -> None:
        ladder = sync.book.content.ladder(side)
        price, size = ladder.at(at)
        ladder.set(price, size + 1)

    assert "I1" in laws(simulate(CALM, after_deltas(10, tamper)))


def test_a_wrong_level_within_a_horizon_breaks_the_first_law() -> None:
    """A book that is known to a horizon has no digest, and is compared all the same."""

    def tamper(sync: BookSync) -> None:
        ladder = sync.book.content.ladder(Side.BID)
        price, size = ladder.at(40)
        ladder.set(price, size + 1)

    case = case_of(duration_ms=3_000, depth=100)(1)
    assert "I1" in laws(simulate(case, after_deltas(10, tamper)))
    assert set() == laws(simulate(case))


def test_a_sequence_of_its_own_breaks_the_first_law() -> None:
    """Whoever runs ahead of the venue by one number is wrong at that number."""

    def tamper(sync: BookSync) -> None:
        sync.book.content.sequence += 1_000_000

    assert "I1" in laws(simulate(CALM, after_deltas(10, tamper)))


class VenueByHand(VirtualKuCoin):
    """Outside of any loop, so that there is no time but what is set here."""

    shown_ns = 0

    def now_ns(self) -> int:
        """What its clock was set to."""
        return self.shown_ns


def watched(symbol: str = SYMBOLS[0]) -> tuple[Oracle, BookSync, SymbolMarket]:
    """An oracle with one watched synchroniser that nothing has reached, and its market; outside of any loop."""
    venue = VenueByHand(symbols=[symbol], seed=3)
    source = venue.market[symbol]
    assert isinstance(source, SymbolMarket)
    oracle = Oracle(venue, fresh_ms=1_000)
    return oracle, oracle.maker()("kucoin", symbol), source


def snapshot_body(source: SymbolMarket) -> bytes:
    """The venue's book as REST answers it."""
    book = source.book(source.sequence)
    bids, asks = (",".join(f'["{price}","{size}"]' for price, size in rows) for rows in (book.bids, book.asks))
    return f'{{"code":"200000","data":{{"sequence":"{source.sequence}","bids":[{bids}],"asks":[{asks}]}}}}'.encode()


def live() -> tuple[Oracle, BookSync, SymbolMarket]:
    """The same with a LIVE book."""
    oracle, sync, source = watched()
    sync.receive_snapshot(snapshot_body(source), depth="full")
    sync.receive_probe(source.sequence)
    assert (BookState.LIVE, []) == (sync.state, oracle.breaches)
    return oracle, sync, source


def test_a_sequence_that_goes_back_breaks_the_third_law() -> None:
    """Within an epoch it only ever grows."""
    oracle, sync, _ = live()
    watch = oracle.watches[sync.symbol]
    sync.book.content.sequence -= 1
    watch.after(sync, "check", None, ())
    assert "I3" in {breach.law for breach in oracle.breaches}


def test_an_epoch_without_a_snapshot_breaks_the_third_law() -> None:
    """A rebuild out of nothing is none."""
    oracle, sync, source = live()
    source.advance()
    sync.book.swap(sync.book.content)
    oracle.watches[sync.symbol].after(sync, "check", None, ())
    assert ["I3"] == [breach.law for breach in oracle.breaches]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (BookState.LIVE, BookState.LIVE),
        (BookState.CONNECTING, BookState.LIVE),
        (BookState.CLOSED, BookState.SYNCING),
        (BookState.LIVE, BookState.SYNCING),
    ],
    ids=lambda state: state.value,
)
def test_an_illegal_or_invented_change_of_state_breaks_the_fourth_law(old: BookState, new: BookState) -> None:
    """None that the table does not know; and none that the book did not make."""
    oracle, sync, _ = live()
    oracle.watches[sync.symbol].after(sync, "check", None, (StateChanged(old, new, "planted"),))
    assert {"I4"} == {breach.law for breach in oracle.breaches}


def test_a_state_without_an_event_breaks_the_fourth_law() -> None:
    """A state that nobody was told of is a silent fault."""
    oracle, sync, _ = live()
    sync.book.mark(BookState.STALE, "planted", 0)
    oracle.watches[sync.symbol].after(sync, "check", None, ())
    assert ["I4"] == [breach.law for breach in oracle.breaches]


def test_an_input_that_raises_breaks_the_fourth_law() -> None:
    """No bytes make the engine raise: the feed would lose its link."""

    def fail(_: BookSync) -> None:
        raise LookupError("planted")

    assert "I4" in laws(simulate(CALM, after_deltas(10, fail)))


# --- I5: it heals ----------------------------------------------------------------------------------------------------


def test_a_venue_that_never_heals_breaks_the_fifth_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that stays without a snapshot is waited for, but not for ever."""
    monkeypatch.setattr(Exchange, "heal", lambda *_: None)
    case = case_of({"fault": "html", "path": "orderbook", "for_ms": 10**9}, duration_ms=2_000)(0)
    outcome = simulate(case)
    assert {"I5"} == laws(outcome)
    assert 0 == outcome.live_share
    monkeypatch.undo()
    assert set() == laws(simulate(case))


# --- I6: bounds ------------------------------------------------------------------------------------------------------


def test_a_limit_that_is_overstepped_breaks_the_sixth_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the venue writes down against its client."""

    def heal(exchange: Exchange, now_ns: int, *, real: Callable[[Exchange, int], None] = Exchange.heal) -> None:
        exchange.violations["messages"] += 1
        real(exchange, now_ns)

    monkeypatch.setattr(Exchange, "heal", heal)
    assert {"I6"} == laws(simulate(CALM))


def test_a_task_that_is_left_breaks_the_sixth_law() -> None:
    """Whatever still runs when the feed is closed."""
    tasks = []

    def leave(_: BookSync) -> None:
        tasks.append(asyncio.get_running_loop().create_task(elapse(1e9), name="left behind"))

    outcome = simulate(CALM, made(leave))
    assert {"I6"} == laws(outcome)
    assert "left behind" in outcome.breaches[0].what


# --- I7: secrets -----------------------------------------------------------------------------------------------------


def at_every_connection(monkeypatch: pytest.MonkeyPatch, tell: Callable[[VirtualKuCoin, Secret], None]) -> None:
    """Have something said whenever the feed connects."""

    def connector(venue: VirtualKuCoin, settings: FeedSettings, *, real: Any = VirtualKuCoin.connector) -> Connect:
        connect = real(venue, settings)

        async def telling(url: Secret) -> Socket:
            tell(venue, url)
            socket: Socket = await connect(url)
            return socket

        return telling

    monkeypatch.setattr(VirtualKuCoin, "connector", connector)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_a_token_in_a_log_line_breaks_the_seventh_law(monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    """However quietly it is said, and by whomever."""

    def tell(_: VirtualKuCoin, url: Secret) -> None:
        logging.getLogger("somebody.else").log(level, "connecting to %s", url.reveal())

    at_every_connection(monkeypatch, tell)
    assert {"I7"} == laws(simulate(CALM))


def test_a_key_in_a_traceback_breaks_the_seventh_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged beside the line counts, too."""

    def tell(venue: VirtualKuCoin, _: Secret) -> None:
        try:
            int(venue.credentials.secret.reveal())
        except ValueError:
            logging.getLogger("somebody.else").exception("a problem")

    at_every_connection(monkeypatch, tell)
    assert {"I7"} == laws(simulate(CALM))


# --- I8: accounts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counter", ["frames", "applied", "duplicates"])
def test_a_count_that_is_off_by_one_breaks_the_eighth_law(counter: str) -> None:
    """Every frame shows in one counter, and in the number of all."""

    def miscount(sync: BookSync) -> None:
        counters = sync._desk.counters
        setattr(counters, counter, getattr(counters, counter) + 1)

    assert {"I8"} == laws(simulate(CALM, after_deltas(10, miscount)))


def test_a_frame_that_was_never_counted_breaks_the_eighth_law() -> None:
    """Sums that agree with each other do not say that all is in them: what came is counted apart."""

    def miscount(sync: BookSync) -> None:
        sync._desk.counters.frames -= 1
        sync._desk.counters.applied -= 1

    assert {"I8"} == laws(simulate(CALM, after_deltas(10, miscount)))


@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.__name__)
def test_what_is_told_and_not_counted_breaks_the_eighth_law(kind: type[Event]) -> None:
    """Of every event that has a counter."""
    oracle, sync, _ = live()
    watch = oracle.watches[sync.symbol]
    watch.count()
    assert [] == oracle.breaches
    watch._told[kind] += 1
    watch.count()
    assert [("I8", kind.__name__)] == [(breach.law, breach.what.split()[1]) for breach in oracle.breaches]


# --- I9: replay ------------------------------------------------------------------------------------------------------


def recording(spoil: Callable[[bytes], bytes | None]) -> Callable[..., None]:
    """What records every frame as something else; ``None``: not at all."""

    def record(run: _Run, kind: str, url: str, raw: bytes, status: int | None, *, real: Any = _Run._record) -> None:
        written = spoil(raw) if kind == "ws" and b"trade.l2update" in raw else raw
        if written is not None:
            real(run, kind, url, written, status)

    return record


def test_a_record_that_is_missing_breaks_the_ninth_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay with a hole does not come to the same book."""
    frames: list[bytes] = []

    def spoil(raw: bytes) -> bytes | None:
        frames.append(raw)
        return None if len(frames) == 10 else raw

    monkeypatch.setattr(_Run, "_record", recording(spoil))
    assert {"I9"} == laws(simulate(CALM, replay=True))


def test_a_record_that_lies_breaks_the_ninth_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that is LIVE is compared with the truth while it runs, not only at its end."""
    frames: list[bytes] = []

    def spoil(raw: bytes) -> bytes:
        frames.append(raw)
        if len(frames) != 30:
            return raw
        end = re.findall(rb'"sequenceEnd":"?(\d+)', raw)[0]
        return raw.replace(b'"bids":[', b'"bids":[["1","7.7","' + end + b'"],').replace(b",]", b"]")

    monkeypatch.setattr(_Run, "_record", recording(spoil))
    outcome = simulate(CALM, replay=True)
    assert {"I9"} == laws(outcome)
    assert any("LIVE and wrong" in breach.what for breach in outcome.breaches)


def test_without_a_replay_nobody_looks_at_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law is judged only where it was asked for."""
    monkeypatch.setattr(_Run, "_record", recording(lambda _: None))
    assert set() == laws(simulate(CALM))


# --- I10: isolation --------------------------------------------------------------------------------------------------


def test_what_one_suffers_and_another_notices_breaks_the_tenth_law() -> None:
    """And only then: where all may suffer, all may notice."""
    (sharing,) = (engine for engine in PLANTED if "I10" in engine.laws and engine.make is not BookSync)
    drop = {"fault": "drop", "at_ms": 2_000, "p": 0.1}
    alone = case_of({**drop, "scope": SYMBOLS[0]}, symbols=2)(0)
    assert "I10" in laws(simulate(alone, sharing.make))
    assert "I10" not in laws(simulate(case_of(drop, symbols=2)(0), sharing.make))
    assert set() == laws(simulate(alone))
