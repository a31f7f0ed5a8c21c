"""The faults of the peers' table, a few seeds each; ``benchmarks/faults.py`` plays a hundred and prints the figures.

A comparison that never fails proves nothing: engines with planted errors are played too, and each must be caught.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from benchmarks.faults import PEERS, main, missed
from orderbook.fixedpoint import ZERO, normalised
from orderbook.settings import SyncSettings
from orderbook.sync.facts import Input
from orderbook.sync.table import RULES, Rule, Verdict
from orderbook.types import BookState, Change, Control, Delta, Message, Side
from orderbook.venues.kucoin import KuCoin
from tests.seeded_drivers import DRIVERS, REAL, Clocked, Engine, Plain
from tests.seeded_faults import SCENARIOS, Scenario
from tests.seeded_market import MESSAGES_HEARD, SIZE_DECIMALS, Market, Numbering, Shape, market_of, shape, stream
from tests.seeded_witness import Outcome

SEEDS: Final = (0, 1)
"""One with a row a message, one with batches."""
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def missed_bars(scenario: Scenario, driver: type[Clocked | Plain], seed: int, engine: Engine = REAL) -> list[str]:
    """What one run missed."""
    return list(missed(scenario, driver.name, driver(scenario, seed, engine).run()))


# --- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("scenario", SCENARIOS[:-1], ids=lambda scenario: scenario.name)
def test_no_fault_makes_a_wrong_book_readable(scenario: Scenario, driver: type[Clocked | Plain]) -> None:
    """Never wrong, LIVE and equal at the end, nothing hidden, and no more snapshots than the fault is worth."""
    assert {seed: [] for seed in SEEDS} == {seed: missed_bars(scenario, driver, seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", range(4))
def test_several_faults_at_once_make_no_wrong_book_readable(seed: int) -> None:
    """The same, whatever comes together."""
    assert [] == missed_bars(BY_NAME["several of these at once"], Clocked, seed)


def test_books_are_looked_at_and_not_only_refused() -> None:
    """A synchroniser that is never LIVE is never wrong; ours can be read nearly all of the time."""
    outcome = Clocked(BY_NAME["clean"], 0).run()
    assert outcome.looks > 0.9 * MESSAGES_HEARD


def test_a_cut_off_seed_answers_the_top_or_refuses_it() -> None:
    """With 20 levels the top 10 can be read nearly always; where trusted levels run out, it is refused, not guessed."""
    outcomes = [Clocked(BY_NAME["20-level seed, top 10 read"], seed).run() for seed in (11, 40)]
    assert 0 < sum(outcome.refused for outcome in outcomes) < 0.05 * sum(outcome.looks for outcome in outcomes)


# --- planted errors --------------------------------------------------------------------------------------------------


def without(*names: str) -> tuple[Rule, ...]:
    """The table without these lines; what they caught falls to the lines below."""
    assert set(names) <= {rule.name for rule in RULES}
    return tuple(rule for rule in RULES if rule.name not in names)


def instead(name: str, kind: Input, **other: Any) -> tuple[Rule, ...]:
    """The table with one line changed."""
    assert any((rule.name, rule.input) == (name, kind) for rule in RULES)
    return tuple(replace(rule, **other) if (rule.name, rule.input) == (name, kind) else rule for rule in RULES)


def going_back() -> tuple[Rule, ...]:
    """A table that knows no duplicates: whatever does not lie ahead is applied."""
    rules = instead("continues", Input.DELTA, when=lambda facts: facts.start <= facts.last + 1)
    return tuple(rule for rule in rules if rule.input is not Input.DELTA or rule.verdict is not Verdict.IGNORE)


class Planted(KuCoin):
    """KuCoin as it is; those below spoil the deltas."""

    def decode(self, text: str) -> Message:
        message = super().decode(text)
        return self.spoiled(message) if isinstance(message, Delta) else message

    def spoiled(self, delta: Delta) -> Message:
        return delta


class StraddlesDropped(Planted):
    """Takes a delta that begins before the end of the last one for a duplicate."""

    def __init__(self) -> None:
        self._end = 0

    def spoiled(self, delta: Delta) -> Message:
        if delta.sequence_start <= self._end:
            return Control("ignored")
        self._end = delta.sequence_end
        return delta


class FirstAskOnly(Planted):
    """Forgets all asks of a batch but the first."""

    def spoiled(self, delta: Delta) -> Message:
        return delta._replace(asks=delta.asks[:1])


class PriceZeroTaken(Planted):
    """Takes price 0 for a price like any other; as near as a book can come that cannot hold that level."""

    def spoiled(self, delta: Delta) -> Message:
        return delta._replace(bids=self._priced(delta.bids), asks=self._priced(delta.asks))

    @staticmethod
    def _priced(rows: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(row._replace(price=normalised(1, -1)) if row.price == ZERO else row for row in rows)


class NaNTaken(Planted):
    """Reads NaN as a float is read: it is not above 0, so the level goes."""

    def decode(self, text: str) -> Message:
        return super().decode(text.replace('"NaN"', "NaN").replace("NaN", '"0"'))


PLANTED: Final[dict[str, tuple[str, Engine, str]]] = {
    "holes are not seen": (
        "one delta lost",
        Engine(rules=instead("continues", Input.DELTA, when=lambda facts: facts.end > facts.last)),
        "wrong",
    ),
    "a hole does not end LIVE": ("five lost", Engine(rules=without("hole remains")), "wrong"),
    "a hole is never a gap": ("burst of thirty lost", Engine(rules=without("hold over")), "at the end"),
    "old snapshots are taken": (
        "first snapshot 40 messages old",
        Engine(rules=without("older than the stream", "hole remains")),
        "wrong",
    ),
    "old deltas are applied": ("late duplicate", Engine(rules=going_back()), "snapshots"),
    "a hole costs a snapshot at once": (
        "two neighbours swapped",
        Engine(settings=SyncSettings(reorder_hold_ms=0, reorder_hold_frames=0)),
        "snapshots",
    ),
    "a reset is not seen": (
        "sequence reset to a low base",
        Engine(rules=without("sequence reset", "contradiction")),
        "wrong",
    ),
    "straddling deltas are dropped": ("straddling batch", Engine(venue=StraddlesDropped), "snapshots"),
    "part of a batch is dropped": ("straddling batch", Engine(venue=FirstAskOnly), "wrong"),
    "price 0 is a price": ("price 0 with a size", Engine(venue=PriceZeroTaken), "wrong"),
    "20 levels are all there is": ("20-level seed, top 10 read", Engine(depth="full"), "wrong"),
    "NaN is a size": ('size "NaN"', Engine(venue=NaNTaken), "wrong"),
    "an unreadable frame is let pass": (
        'size "NaN"',
        Engine(rules=instead("our frame lost", Input.UNREADABLE, verdict=Verdict.QUESTION)),
        "wrong",
    ),
}
"""The error; the scenario that is made for it; the engine; the bar that it must miss."""


@pytest.mark.parametrize("error", PLANTED)
def test_planted_errors_are_caught(error: str) -> None:
    """An engine with an error misses its bar in one of the first seeds; ours, above, misses none."""
    name, engine, bar = PLANTED[error]
    runs = ((driver, seed) for seed in range(3) for driver in DRIVERS)
    assert any(bar in miss for driver, seed in runs for miss in missed_bars(BY_NAME[name], driver, seed, engine))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("at", [0, -1], ids=["touch", "bottom"])
def test_one_wrong_level_anywhere_is_seen(side: Side, at: int) -> None:
    """The witness compares whole ladders: the level farthest out counts as much as the touch."""
    driver = Clocked(BY_NAME["clean"], 0)
    driver.run()
    ladder = driver.sync.book.content.ladder(side)
    price, size = ladder.at(at)
    ladder.set(price, size + 1)
    before = driver.witness.outcome.wrong
    driver.witness.look((), 0)
    assert (0, 1) == (before, driver.witness.outcome.wrong)


def test_changes_of_state_without_an_event_are_seen() -> None:
    """A state that nobody was told of is a silent fault."""
    driver = Clocked(BY_NAME["clean"], 0)
    driver.run()
    driver.sync.book.mark(BookState.STALE, "planted", 0)
    driver.witness.look((), 0)
    assert "LIVE became STALE" == driver.witness.outcome.silent


# --- the market ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", [False, True], ids=["rows", "batches"])
def test_the_market_is_like_the_one_measured(batched: bool) -> None:
    """Its shares are those of the busy recorded symbol, on the average of some seeds."""
    shapes = [shape(Market(seed, batched=batched)) for seed in range(8)]
    mean = {name: sum(getattr(one, name) for one in shapes) / len(shapes) for name in Shape.__dataclass_fields__}
    measured = {"sequence_only": 0.35, "deleted": 0.44, "new_best": 0.10, "at_touch": 0.10, "near": 0.50}
    assert measured == pytest.approx({name: mean[name] for name in measured}, abs=0.07)
    assert min(one.levels_min for one in shapes) >= 570


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("batched", [False, True], ids=["rows", "batches"])
def test_snapshot_and_deltas_give_the_true_book(seed: int, batched: bool) -> None:
    """What the market sends, applied by the plainest reader there is, is the book that it says it has."""
    market = Market(seed, batched=batched)
    numbering = Numbering(market.base)
    data = json.loads(market.body(0, numbering))["data"]
    book = {side: {Decimal(price): Decimal(size) for price, size in data[side]} for side in ("bids", "asks")}
    for message in market.messages:
        delta = json.loads(market.frame(message.first, message.last, numbering))["data"]
        assert delta["sequenceEnd"] == numbering.sequence(message.last)
        for side, levels in book.items():
            for price, size, _ in sorted(delta["changes"][side], key=lambda row: int(row[2])):
                levels[Decimal(price)] = Decimal(size)
            book[side] = {price: size for price, size in levels.items() if price and size}
        truth = market.books[message.last]
        assert _exact(market, truth.bids) == book["bids"]
        assert _exact(market, truth.asks) == book["asks"]


def _exact(market: Market, ladder: Sequence[tuple[int, int]]) -> dict[Decimal, Decimal]:
    return {
        Decimal(price).scaleb(-market.price_decimals): Decimal(size).scaleb(-SIZE_DECIMALS) for price, size in ladder
    }


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Twice the same market and the same faults: nothing but the seed decides."""
    runs = []
    for _ in range(2):
        market_of.cache_clear()
        plan = BY_NAME["several of these at once"].plan(5)
        runs.append((plan.arrivals(), plan.market.body(100, plan.numbering)))
    assert runs[0] == runs[1]


def test_one_fault_shifts_nothing_else() -> None:
    """Sub-streams are drawn apart: what is lost is missing, and every other frame is the same to the byte."""
    clean = BY_NAME["clean"].plan(3).arrivals()
    lossy = BY_NAME["five lost"].plan(3).arrivals()
    assert 5 == len(clean) - len(lossy)
    assert set(lossy) < set(clean)
    assert stream(1, "a").random() != stream(1, "b").random() != stream(2, "b").random()


def test_both_layouts_of_the_wire_occur() -> None:
    """Keys stand in the order of 2021 in some seeds, and in that of 2026 in others."""
    markets = [Market(seed, batched=False) for seed in range(12)]
    frames = {bool(m.is_modern): list(json.loads(m.frame(1, 1, Numbering(m.base)))["data"]) for m in markets}
    assert {
        False: ["sequenceStart", "symbol", "changes", "sequenceEnd"],
        True: ["changes", "sequenceEnd", "sequenceStart", "symbol", "time"],
    } == frames


def test_a_reset_numbers_events_both_ways() -> None:
    """Every event is found again by its sequence; beyond a reset the old count may be meant, or the new one."""
    numbering = Numbering(base=1_000, reset_at=50, low_base=990)
    assert all(event in numbering.events(numbering.sequence(event)) for event in range(200))
    assert [[50], [49, 108], [109], []] == [numbering.events(sequence) for sequence in (991, 1_049, 1_050, 990)]
    assert [7] == Numbering(base=1_000).events(1_007)


def test_every_scenario_does_its_damage() -> None:
    """What reaches us is not the clean stream, but for the scenarios that are about REST."""
    rest = {"clean", "slow snapshot", "first snapshot 40 messages old", "20-level seed, top 10 read"}
    clean = {batched: _frames(BY_NAME["clean"], int(batched)) for batched in (False, True)}
    for scenario in SCENARIOS:
        frames = _frames(scenario, 1)
        assert (scenario.name in rest) == (frames == clean[True]), scenario.name
    assert len(clean[False]) == MESSAGES_HEARD


def _frames(scenario: Scenario, seed: int) -> list[bytes]:
    return [arrival.frame for arrival in scenario.plan(seed).arrivals()]


# --- the benchmark ---------------------------------------------------------------------------------------------------


def invoked(*arguments: str) -> Result:
    """The benchmark's command, in this process."""
    return CliRunner().invoke(main, [*arguments, "--jobs", "1"])


def test_the_same_command_prints_the_same_table() -> None:
    """No time, no order of processes and no chance is in the output; ours stands beside the peers'."""
    runs = [invoked("--runs", "2", "--seed", "3", "--scenario", "late duplicate") for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert [0, 0] == [run.exit_code for run in runs]
    row = next(line for line in runs[0].stdout.splitlines() if "late duplicate" in line)
    assert ["late duplicate", "0 / 0", "0 / 0", "0 / 0", "1 / 1"] == [cell.strip() for cell in row.split("│")][1:6]
    assert "40/40 (0)" in row


def test_the_figures_come_as_json_too() -> None:
    """One object, with both drivers and the peers."""
    report = json.loads(invoked("--runs", "1", "--scenario", "clean", "--format", "json").stdout)
    (scenario,) = report["scenarios"]
    assert ["clocked", "plain"] == [driver["driver"] for driver in scenario["drivers"]]
    assert {peer.name: "0" for peer in PEERS} == scenario["peers"]
    assert [] == report["missed"]


def test_a_missed_bar_ends_with_code_1_and_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the output knows which run failed, and how."""
    bad = Outcome(wrong=3, first_wrong="a level", served=1)
    played = {("clean", driver.name): bad for driver in DRIVERS}
    monkeypatch.setattr("benchmarks.faults.play", lambda *_, **__: played)
    result = invoked("--runs", "1", "--seed", "7", "--scenario", "clean")
    assert 1 == result.exit_code
    assert '--scenario "clean" --seed 7 --runs 1 (plain): wrong while readable 3 times: a level' in result.stdout


@pytest.mark.parametrize(
    ("name", "outcome", "bars"),
    [
        ("clean", Outcome(served=1), 0),
        ("clean", Outcome(served=2), 1),
        ("clean", Outcome(served=1, wrong=1, end="SYNCING", silent="a gap"), 3),
        ("one delta lost", Outcome(served=2), 0),
        ("20-level seed, top 10 read", Outcome(served=9), 0),
        ("20-level seed, top 10 read", Outcome(served=0), 1),
        ("sequence reset to a low base", Outcome(served=2, mended_after=2_001), 1),
    ],
)
def test_every_bar_counts(name: str, outcome: Outcome, bars: int) -> None:
    """Each promise of the table is judged by itself."""
    assert bars == len(list(missed(BY_NAME[name], "clocked", outcome)))


def test_the_peers_were_measured_on_every_fault_of_their_table() -> None:
    """No cell is missing, and none belongs to a row that does not exist."""
    assert [{scenario.name for scenario in SCENARIOS[:-2]}] * len(PEERS) == [set(peer.cells) for peer in PEERS]
