"""Plans from a seed: valid, bounded in time, different from seed to seed, and every fault has its turn."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.simulator.families import COSTLY, FAMILIES, LIES, MARKETS, PUSHES, Apart, Span, Template
from orderbook.simulator.faults import FAULTS, Fault, FaultPlan, Point
from orderbook.simulator.profiles import PROFILES
from orderbook.simulator.sparing import is_sparing
from orderbook.simulator.swarm import from_text, swarm, to_text
from tests.simulator_bench import A, B

SEEDS = 300
DURATION_MS = 60_000
EVERYTHING = FAMILIES | LIES | PUSHES


@cache
def plans(duration_ms: int = DURATION_MS) -> list[tuple[str, list[dict[str, Any]]]]:
    """Profile and entries of each seed, with all that is off by default."""
    return [swarm(seed, symbols=(A, B), duration_ms=duration_ms, families=EVERYTHING) for seed in range(SEEDS)]


def longest_ms(fault: Fault) -> int:
    """How long one strike may act."""
    knobs = fault.knobs
    acts = sum(knobs.get(name) or 0 for name in ("ms", "jitter_ms", "hold_ms", "reset_ms"))
    # What stays as it is has no end: an entry of its own sets it right. A book that was stale is so at once.
    return 0 if fault.name in ("clock_skew", "stale_snapshot") else acts


@pytest.mark.parametrize("duration_ms", [100, 1_000, DURATION_MS, 3_600_000])
def test_every_plan_is_valid_and_ends_in_time(duration_ms: int) -> None:
    """Whatever an entry does is over before the time is."""
    for _, entries in plans(duration_ms):
        for fault in FaultPlan(entries).faults:
            if fault.point is Point.MOMENT:
                assert fault.every_ms is None or fault.times is not None
                last_ms = fault.at_ms + (fault.every_ms or 0) * ((fault.times or 1) - 1)
            else:
                assert fault.for_ms is not None
                last_ms = fault.at_ms + fault.for_ms
            assert last_ms + longest_ms(fault) < duration_ms, fault.text


def test_every_fault_has_its_turn() -> None:
    """All that the venue knows occur in some plan, most of them often; each profile, too."""
    seen = Counter(entry["fault"] for _, entries in plans() for entry in entries)

    assert FAULTS.keys() == seen.keys()
    # Only deltas over several sequences can be split, and few markets have them.
    batched = sum(profile == "batches" for profile, _ in plans())
    assert seen.pop("split") > batched // 10
    assert min(seen.values()) > SEEDS // 10
    assert MARKETS.keys() == {profile for profile, _ in plans()}
    assert PROFILES.keys() >= MARKETS.keys() | COSTLY.keys()
    assert not MARKETS.keys() & COSTLY.keys()


def test_each_choice_of_a_knob_has_its_turn() -> None:
    """Values of a list, legal and illegal alike."""
    plan = [entry for _, entries in plans() for entry in entries]
    for template in (one for templates in EVERYTHING.values() for one in templates):
        for knob, choices in template.knobs.items():
            if isinstance(choices, tuple) and not isinstance(choices, Span | Apart):
                values = {value for value in choices if not isinstance(value, tuple | None)}
                assert values <= {entry.get(knob) for entry in plan if entry["fault"] == template.fault}


def test_what_nothing_can_reveal_is_off_by_default() -> None:
    """No lies unless they are asked for, and nothing that is not about books; what any book can notice is no lie."""
    usual = [entry for seed in range(SEEDS) for entry in swarm(seed, symbols=(A, B), duration_ms=DURATION_MS)[1]]
    names = {entry["fault"] for entry in usual}

    assert {"corrupt", "shallow_snapshot", *(one.fault for one in PUSHES["pushes"])} == FAULTS.keys() - names
    assert "flip" not in {entry["how"] for entry in usual if entry["fault"] == "garble"}
    assert {"unsorted", "crossed", "null"} == {entry["how"] for entry in usual if entry["fault"] == "bad_snapshot"}


def test_some_seeds_are_calm_and_some_harsh() -> None:
    """Each family is on in about half of the seeds; plans are empty, short or long."""
    counts = sorted(len(swarm(seed, symbols=(A,), duration_ms=DURATION_MS)[1]) for seed in range(SEEDS))
    for name, templates in FAMILIES.items():
        pairs = [
            swarm(seed, symbols=(A,), duration_ms=DURATION_MS, families={name: templates}) for seed in range(SEEDS)
        ]
        on = sum(bool(entries) for _, entries in pairs)
        # Within a family that is on, no template at all may have been chosen, or none for this market.
        share = 0.5 * (1 - 0.5 ** sum(not template.markets for template in templates))
        assert share == pytest.approx(on / SEEDS, abs=0.1), name

    assert counts[SEEDS // 10] < 12
    assert 18 < counts[SEEDS * 9 // 10]


def test_rates_are_drawn_over_orders_of_magnitude() -> None:
    """And do not hang on how busy the market is: a rate a second becomes a probability a delta."""
    a_second: dict[str, list[float]] = {"illiquid": [], "normal": [], "quiet": []}
    for profile, entries in plans():
        if profile in a_second:
            rate = PROFILES[profile].rate
            a_second[profile] += [one["p"] * rate for one in entries if one["fault"] == "drop" and "p" in one]
    for profile in ("normal", "quiet"):
        rates = sorted(a_second[profile])
        assert 15 * rates[0] < rates[-1] <= 5
        assert 0.1 < rates[len(rates) // 2] < 1
    assert {0.5} == {round(one * 3_600, 3) for one in a_second["illiquid"]}


def test_scopes_are_those_that_the_messages_have() -> None:
    """A fault of tokens has no symbol, one of snapshots no connection; deltas have both."""
    scopes: dict[str, set[str]] = {}
    for _, entries in plans():
        for fault, entry in zip(FaultPlan(entries).faults, entries, strict=True):
            kind = "connection" if fault.connection else "symbol" if fault.symbols else "all"
            scopes.setdefault(f"{entry['fault']} {entry.get('on', '')}".strip(), set()).add(kind)

    every, none = {"all", "symbol", "connection"}, {"all"}
    for name in ("drop", "lost_ack", "disconnect", "disconnect delta"):
        assert every == scopes[name]
    for name in ("token_life", "maintenance", "clock_skew", "banned"):
        assert none == scopes[name]
    for name in ("stale_snapshot", "sequence_reset", "delist", "tick_change"):
        assert {"all", "symbol"} == scopes[name]
    for name in ("lost_pong", "refuse", "double_welcome"):
        assert {"all", "connection"} == scopes[name]


def test_what_meets_new_connections_has_some_to_meet() -> None:
    """It is at work when the first one is made, or one is cut while it is."""
    begun = Counter[bool]()
    for _, entries in plans():
        cuts = [one["at_ms"] for one in entries if one["fault"] == "disconnect" and "on" not in one]
        for fault in FaultPlan(entries).faults:
            if fault.point in (Point.BULLET, Point.CONNECT, Point.WELCOME, Point.ACK):
                assert fault.for_ms is not None
                ends_ms = fault.at_ms + fault.for_ms
                begun[fault.at_ms == 0] += 1
                assert fault.at_ms == 0 or any(fault.at_ms <= cut < ends_ms for cut in cuts), fault.text

    assert 0.4 < begun[True] / begun.total() < 0.6


def test_a_spared_symbol_is_touched_by_nothing() -> None:
    """Every entry names others, and what it does is theirs alone; of the rest a good deal is left."""
    counts = []
    for seed in range(SEEDS):
        _, entries = swarm(seed, symbols=(A, B), duration_ms=DURATION_MS, families=EVERYTHING, spared=(B,))
        faults = FaultPlan(entries).faults
        counts.append(len(faults))
        assert all(fault.symbols == frozenset({A}) and is_sparing(fault) for fault in faults)
    assert 4 < sum(counts) / SEEDS
    with pytest.raises(UsageError):
        swarm(0, symbols=(A,), duration_ms=DURATION_MS, spared=(A,))


def test_a_family_can_be_made_certain() -> None:
    """It is in every plan then, but for one in which none of its templates was drawn; nothing else changes."""
    for seed in range(40):
        _, usual = swarm(seed, symbols=(A,), duration_ms=DURATION_MS, families=EVERYTHING)
        _, surely = swarm(seed, symbols=(A,), duration_ms=DURATION_MS, families=EVERYTHING, certain=LIES)
        more = [entry for entry in surely if entry not in usual]
        assert len(usual) + len(more) == len(surely)
        assert {entry["fault"] for entry in more} <= {template.fault for template in LIES["lies"]}
    lying = [swarm(seed, symbols=(A,), duration_ms=9_999, families=LIES, certain=LIES)[1] for seed in range(200)]
    assert 0.85 < sum(map(bool, lying)) / 200


def test_some_topics_are_dead_for_long() -> None:
    """Longer than a silence is ever waited for, where the time is long enough for that."""
    lasts = [entry.get("for_ms", 0) for _, entries in plans(120_000) for entry in entries if entry["fault"] == "mute"]
    assert SEEDS // 10 < sum(for_ms > 40_000 for for_ms in lasts)


def test_some_new_counts_are_near_the_old_one() -> None:
    """So near that they run through numbers of it, and too far for a mere disorder."""
    drawn = [swarm(seed, symbols=(A, B), duration_ms=DURATION_MS)[1] for seed in range(SEEDS)]
    backs = [entry["back"] for entries in drawn for entry in entries if "back" in entry]
    assert SEEDS // 10 < len(backs)
    assert 64 < min(backs) < 100
    assert 400 < max(backs) <= 500


def test_a_count_so_near_that_it_may_pass_unseen_is_a_lie() -> None:
    """Only audits find it for sure, so it is drawn where lies are."""
    plans = [swarm(seed, symbols=(A,), duration_ms=9_999, families=LIES, certain=LIES)[1] for seed in range(200)]
    backs = [entry["back"] for plan in plans for entry in plan if "back" in entry]
    assert 20 < len(backs)
    assert 1 <= min(backs) <= max(backs) <= 64


def test_counts_of_the_venue_never_overlap() -> None:
    """Every base of a plan is far from the others, and from where markets begin."""
    both = 0
    for _, entries in plans():
        bases = [entry["base"] for entry in entries if "base" in entry]
        both += len(bases) > 1
        assert all(abs(one - other) >= 3_000_000 for i, one in enumerate(bases) for other in bases[:i])
        # Whatever they are: two entries of a plan cannot have the same.
        rests = {(entry["fault"], entry["base"] % 12_000_000) for entry in entries if "base" in entry}
        assert rests <= {("sequence_reset", 0), ("maintenance", 3_000_000)}
        assert all(3_000_000 <= base <= 3_300_000_000 for base in bases)

    assert both > 5


def test_what_has_to_be_undone_is_undone() -> None:
    """The clock is set right again."""
    for _, entries in plans():
        skews = [entry for entry in entries if entry["fault"] == "clock_skew"]
        if skews:
            wrong, right = skews
            assert (0, True) == (right["ms"], wrong["ms"] != 0)
            assert wrong["at_ms"] < right["at_ms"]


def test_a_family_draws_from_a_stream_of_its_own() -> None:
    """To leave one out, or one of its templates, changes nothing about the others."""
    for seed in range(30):
        profile, whole = swarm(seed, symbols=(A, B), duration_ms=DURATION_MS)
        for name in FAMILIES:
            rest = {other: templates for other, templates in FAMILIES.items() if other != name}
            only = swarm(seed, symbols=(A, B), duration_ms=DURATION_MS, families={name: FAMILIES[name]})
            others = swarm(seed, symbols=(A, B), duration_ms=DURATION_MS, families=rest)
            assert profile == only[0] == others[0]
            assert sorted(map(str, whole)) == sorted(map(str, only[1] + others[1]))


def test_a_seed_is_a_plan() -> None:
    """The same every time; another seed has another."""
    one, again, other = (swarm(seed, symbols=(A,), duration_ms=DURATION_MS) for seed in (1, 1, 2))

    assert one == again != other


def test_families_and_markets_are_data() -> None:
    """One's own can be given."""
    mine = {"mine": (Template("drop", {"run": 2}, Span(1, 1)),)}
    found = [swarm(seed, symbols=(A,), duration_ms=1_000, families=mine, markets={"deep": 1}) for seed in range(40)]

    assert {"deep"} == {profile for profile, _ in found}
    assert {0, 1} == {len(entries) for _, entries in found}
    assert {"drop", 2} == {value for _, entries in found for one in entries for value in (one["fault"], one["run"])}


@pytest.mark.parametrize(("symbols", "duration_ms"), [((), 1_000), ((A,), 99)])
def test_a_swarm_needs_symbols_and_time(symbols: tuple[str, ...], duration_ms: int) -> None:
    """Told before anything is drawn."""
    with pytest.raises(UsageError, match="a swarm needs at least 100 ms and one symbol"):
        swarm(0, symbols=symbols, duration_ms=duration_ms)


def test_a_plan_goes_to_text_and_back_unchanged() -> None:
    """Types included, an entry a line; the text is a plan that can be given to the simulator."""
    for _, entries in plans():
        text = to_text(entries)
        back = from_text(text)
        assert entries == back
        assert list(map(repr, entries)) == list(map(repr, back))
        assert max(len(entries), 1) == text.count("\n")
        assert FaultPlan(entries).faults == FaultPlan.parse(text).faults


@pytest.mark.parametrize("text", ["{}", "3", "["])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """With the error that JSON itself has."""
    with pytest.raises(ValueError, match=r"a plan is a list|Expecting value"):
        from_text(text)
