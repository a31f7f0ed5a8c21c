"""What goes wrong on the way from the seeded market to the book: the faults that other clients were measured with.

A scenario edits the messages of one run between the venue and us. A fault falls on any of the first 220 messages of the
340, so some fall on the time before the first snapshot, and all leave time to recover. Everything is drawn from the
sub-stream ``fault/<scenario>`` of the seed: the market itself is the same under every scenario.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import Side
from tests.seeded_market import MESSAGES_BEFORE, MESSAGES_HEARD, MS, Market, Numbering, market_of, stream

FAULTS_UNTIL: Final = 220
"""Messages from here on are left alone."""
HELD_NS: Final = SyncSettings().reorder_hold_ms * MS * 3 // 4
"""A message that comes so much behind its successor was merely reordered."""
STREAM_DELAY_NS: Final = 3 * MS
"""How long a message takes from the venue to us."""


@dataclass
class Sent:
    """One message under way, and what is done to it."""

    at_ns: int
    first: int
    last: int
    size_text: object = None
    zeros: tuple[tuple[Side, str], ...] = ()


class Arrival(NamedTuple):
    """A frame as it reaches us. ``event`` is the last that the venue put into it, readable or not."""

    at_ns: int
    frame: bytes
    event: int


@dataclass
class Plan:
    """One run: what the venue has, what reaches us, and how REST answers.

    Attributes:
        sent: The messages under way; scenarios edit them.
        hits: For every fault that must show, the event that it fell on: a snapshot at or past it covers the fault.
        old: By how many messages the first answers are older than the moment they are sent.
        slow: The first answer takes long.
        depth: Levels a side that REST gives; ``None``: all.
    """

    market: Market
    rng: random.Random
    numbering: Numbering
    sent: list[Sent]
    hits: list[int] = field(default_factory=list)
    old: tuple[int, ...] = ()
    slow: bool = False
    depth: int | None = None

    def arrivals(self) -> list[Arrival]:
        """The frames in the order in which they arrive."""
        return [
            Arrival(
                sent.at_ns,
                self.market.frame(sent.first, sent.last, self.numbering, size_text=sent.size_text, zeros=sent.zeros),
                sent.last,
            )
            for sent in sorted(self.sent, key=lambda sent: sent.at_ns)
        ]

    def pick(self, until: int = FAULTS_UNTIL) -> int:
        """Any message that may be hit."""
        return self.rng.randrange(until)

    def after(self, index: int) -> int:
        """A moment after message ``index`` and before the next one."""
        at_ns = self.sent[index].at_ns
        next_ns = min((sent.at_ns for sent in self.sent if sent.at_ns > at_ns), default=at_ns + MS)
        return at_ns + self.rng.randrange(1, max(2, next_ns - at_ns))

    def lose(self, index: int, count: int) -> None:
        """Messages that never arrive."""
        self.hits.append(self.sent[index + count - 1].last)
        del self.sent[index : index + count]

    def repeat(self, index: int, behind: int) -> None:
        """A second copy of a message, behind a later one or behind itself."""
        message = self.sent[index]
        self.hits.append(message.last)
        self.sent.append(replace(message, at_ns=self.after(behind)))

    def is_change(self, index: int) -> bool:
        """Whether a message changes the book at all."""
        events = self.market.events[self.sent[index].first : self.sent[index].last + 1]
        return any(event.price for event in events)


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    Attributes:
        name: What goes wrong.
        arrange: Edits the plan.
        shown: How many faults the counters show in the end, of those in ``plan.hits``.
        snapshots: The fewest and the most snapshots that a run may cost; ``None``: no bound from above.
        in_vain: So many wishes may be taken back within their delay; a driver without a clock serves them all the same.
        batched: Whether messages carry batches; ``None``: every other seed.
        mended_ms: Within which time of the first fault the book must be LIVE again, where a clock runs.
        counts_zeros: Whether every row of price 0 must be counted.
    """

    name: str
    arrange: Callable[[Plan], None]
    shown: Callable[[BookSync], int]
    snapshots: tuple[int, int | None] = (1, 1)
    in_vain: int = 0
    batched: bool | None = None
    counts_zeros: bool = False
    mended_ms: int | None = None

    def plan(self, seed: int) -> Plan:
        """The run of a seed."""
        market = market_of(seed, batched=seed % 2 == 1 if self.batched is None else self.batched)
        heard = market.messages[MESSAGES_BEFORE : MESSAGES_BEFORE + MESSAGES_HEARD]
        sent = [Sent(at_ns + STREAM_DELAY_NS, first, last) for first, last, at_ns in heard]
        plan = Plan(market, stream(seed, f"fault/{self.name}"), Numbering(market.base), sent)
        self.arrange(plan)
        return plan


# -- the faults --


def _nothing(plan: Plan) -> None:
    del plan


def _lose(count: int) -> Callable[[Plan], None]:
    return lambda plan: plan.lose(plan.pick(), count)


def _swap(plan: Plan) -> None:
    index = plan.pick()
    plan.hits.append(plan.sent[index].last)
    # Later than the hold a missing message is a gap, and rightly so.
    plan.sent[index].at_ns = min(plan.after(index + 1), plan.sent[index + 1].at_ns + HELD_NS)


def _repeat_at_once(plan: Plan) -> None:
    for index in plan.rng.sample(range(FAULTS_UNTIL), plan.rng.randint(1, 8)):
        plan.repeat(index, index)


def _repeat_late(plan: Plan) -> None:
    """As late as a copy can come without reading as a venue that counts anew."""
    window = SyncSettings().reset_window
    for index in plan.rng.sample(range(FAULTS_UNTIL), plan.rng.randint(1, 4)):
        last = plan.sent[index].last
        later = [i for i in range(index + 1, len(plan.sent) - 1) if 0 < plan.sent[i + 1].last - last <= window]
        plan.repeat(index, plan.rng.choice(later))


def _straddle(plan: Plan) -> None:
    """Batches that begin before the end of the one before; snapshots fall into the middle of batches by themselves."""
    for index in plan.rng.sample(range(1, FAULTS_UNTIL), 12):
        plan.sent[index].first -= plan.rng.randint(1, 5)


def _answer_old(plan: Plan) -> None:
    plan.old = (40,)
    plan.hits.append(plan.sent[-1].last)


def _answer_slowly(plan: Plan) -> None:
    plan.slow = True


def _price_zero(*sizes: str) -> Callable[[Plan], None]:
    def arrange(plan: Plan) -> None:
        for index in plan.rng.sample(range(FAULTS_UNTIL), 10):
            message = plan.sent[index]
            message.zeros = ((plan.rng.choice(list(Side)), plan.rng.choice(sizes)),)

    return arrange


def _reset(plan: Plan) -> None:
    """The venue starts again from a low number; what it did meanwhile was sent to nobody."""
    _count_anew(plan, lambda _: plan.rng.randrange(1, 5_000))


def _reset_nearby(plan: Plan) -> None:
    """It falls back so little that the new count soon runs into numbers of the old one; an answer may be on its way."""
    plan.slow = plan.rng.random() < 0.5
    # A batch may reach nine numbers up; nearer than this nobody can tell it from a late duplicate.
    window = SyncSettings().reset_window + 9
    _count_anew(plan, lambda heard: plan.market.base + heard - window - plan.rng.randint(1, 300))


def _count_anew(plan: Plan, low_base: Callable[[int], int]) -> None:
    index = plan.rng.randrange(1, FAULTS_UNTIL)
    count = plan.rng.randint(0, 12)
    heard, event = plan.sent[index - 1].last, plan.sent[index + count].first
    del plan.sent[index : index + count]
    plan.numbering = Numbering(plan.market.base, event, low_base(heard))
    for message in plan.sent:
        if message.first < event <= message.last:
            message.first = event
    plan.hits.append(event)


def _cut_off(plan: Plan) -> None:
    plan.depth = 20


def _no_number(plan: Plan) -> None:
    index = plan.rng.choice([i for i in range(FAULTS_UNTIL) if plan.is_change(i)])
    # Bare, it is no JSON either, though Python's own decoder takes it.
    plan.sent[index].size_text = plan.rng.choice(("NaN", "NaN", float("nan")))
    plan.hits.append(plan.sent[index].last)


def _several(plan: Plan) -> None:
    """Two to six of the others; what each costs, and what shows of it, cannot be told apart."""
    chosen = plan.rng.sample(range(len(_MIXED)), plan.rng.randint(2, 6))
    for index in sorted(chosen):
        _MIXED[index](plan)
    plan.hits.clear()


# Contents are spoiled before messages are repeated, so that copies are copies; a reset renumbers what is left.
_MIXED: Final = (
    _price_zero("0", "5"),
    _no_number,
    _straddle,
    _lose(1),
    _lose(5),
    _lose(30),
    _swap,
    _repeat_at_once,
    _repeat_late,
    _answer_old,
    _answer_slowly,
    _cut_off,
    _reset,
)


def _lost_frames(sync: BookSync) -> int:
    # A hole found by the first snapshot itself costs another one before it can become a gap.
    return sync.counters.gaps + sync.counters.snapshots_asked - 1


def _none(sync: BookSync) -> int:
    del sync
    return 0


SCENARIOS: Final = (
    Scenario("clean", _nothing, _none),
    Scenario("slow snapshot", _answer_slowly, _none),
    Scenario("adjacent duplicate", _repeat_at_once, lambda sync: sync.counters.duplicates),
    Scenario("price 0 size 0", _price_zero("0"), _none, counts_zeros=True),
    Scenario("one delta lost", _lose(1), _lost_frames, (1, 2)),
    Scenario("five lost", _lose(5), _lost_frames, (1, 2)),
    Scenario("burst of thirty lost", _lose(30), _lost_frames, (1, 2)),
    # Swapped just when the first snapshot joins, they are a hole for a moment.
    Scenario("two neighbours swapped", _swap, lambda sync: sync.counters.reorders, in_vain=1),
    Scenario("late duplicate", _repeat_late, lambda sync: sync.counters.duplicates),
    Scenario("straddling batch", _straddle, _none, batched=True),
    Scenario(
        "first snapshot 40 messages old", _answer_old, lambda sync: sync.counters.snapshots_rejected["old"], (2, 2)
    ),
    Scenario("price 0 with a size", _price_zero("5", "0.00000001"), _none, counts_zeros=True),
    Scenario("sequence reset to a low base", _reset, lambda sync: sync.counters.resets, (1, 2), mended_ms=2_000),
    Scenario("20-level seed, top 10 read", _cut_off, _none, (1, None)),
    Scenario('size "NaN"', _no_number, lambda sync: sync.counters.rejected_count, (1, 2)),
    Scenario("sequence reset to a near base", _reset_nearby, lambda sync: sync.counters.resets, (1, None)),
    Scenario("several of these at once", _several, _none, (1, None)),
)
"""The rows of the peers' table, and two more."""


def zero_rows(arrivals: list[Arrival], after: int) -> int:
    """How many rows of price 0 stand in the frames with a sequence beyond ``after``."""
    frames = [json.loads(arrival.frame)["data"] for arrival in arrivals]
    rows = [row for data in frames for side in ("bids", "asks") for row in data["changes"][side]]
    return sum(row[0] == "0" and int(row[2]) > after for row in rows)
