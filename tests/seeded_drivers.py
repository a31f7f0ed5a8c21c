"""Two drivers that take a ``BookSync`` through one planned run, without real time.

``Clocked`` does what a feed does: it tells the link's life, hands frames in at their times, serves a wish for a
snapshot after its delay and a REST latency, answers probes, and calls ``check`` when that is due. ``Plain`` has no
clock and only feeds frames and snapshots; it serves every wish, at once, and even one that no longer stands.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from orderbook.events import Depth, Event, NeedProbe, NeedSnapshot
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.table import RULES, Rule, indexed
from orderbook.venues import venue_named
from orderbook.venues.base import Venue
from tests.seeded_faults import Arrival, Plan, Scenario
from tests.seeded_market import MS, START_NS, SYMBOL, stream
from tests.seeded_witness import Outcome, Witness

QUIET_NS: Final = 20_000 * MS
"""How long a clocked run goes on after its last frame."""
PONG_NS: Final = 2_000 * MS
"""How often something is heard on the link, whatever the symbol does."""
_WELCOME: Final = b'{"id":"1","type":"welcome"}'
_ACK: Final = b'{"id":"2","type":"ack"}'
_PONG: Final = b'{"id":"3","type":"pong"}'


class Engine(NamedTuple):
    """What is put to the test; by default the real thing."""

    venue: Callable[[], Venue] = lambda: venue_named("kucoin")
    rules: Sequence[Rule] = RULES
    settings: SyncSettings = SyncSettings()
    depth: Depth = None
    """How deep every snapshot is said to be, whatever it is."""


REAL: Final = Engine()


class _Driver:
    """What both have in common."""

    name: str

    def __init__(self, scenario: Scenario, seed: int, engine: Engine) -> None:
        self.plan: Plan = scenario.plan(seed)
        self._scenario = scenario
        self._engine = engine
        self._arrivals: list[Arrival] = self.plan.arrivals()
        self._rng = stream(seed, f"{self.name}/{scenario.name}")
        self.sync = BookSync(
            engine.venue(), SYMBOL, settings=engine.settings, rules=indexed(engine.rules), clock=self._clock()
        )
        self.witness = Witness(self.plan, self.sync)

    def _clock(self) -> Callable[[], int] | None:
        return None

    def _answered_event(self, event: int) -> int:
        """Which book the next answer shows when the venue stands at an event."""
        old = self.plan.old[self.witness.outcome.served :][:1]
        return event if not old else self._messages_before(event, old[0])

    def _messages_before(self, event: int, messages: int) -> int:
        index = sum(message.last <= event for message in self.plan.market.messages)
        return self.plan.market.messages[index - 1 - messages].last

    def _body(self, event: int) -> bytes:
        return self.plan.market.body(event, self.plan.numbering, self.plan.depth)


class Clocked(_Driver):
    """A feed in virtual time."""

    name = "clocked"

    def __init__(self, scenario: Scenario, seed: int, engine: Engine = REAL) -> None:
        self._now_ns = START_NS
        super().__init__(scenario, seed, engine)
        self._order = count()
        self._agenda: list[tuple[int, int, Callable[[], Sequence[Event]]]] = []
        self._wish: NeedSnapshot | None = None
        self._restless = ""

    def _clock(self) -> Callable[[], int]:
        return lambda: self._now_ns

    def run(self) -> Outcome:
        """Take the run to its end."""
        first_ns, last_ns = self._arrivals[0].at_ns, self._arrivals[-1].at_ns
        self._opened_ns = self._now_ns = first_ns - 40 * MS
        self._tell(self.sync.connection_opened(self._now_ns))
        self._later(first_ns - 20 * MS, lambda: self.sync.receive(_WELCOME, self._now_ns))
        self._later(first_ns - 10 * MS, lambda: self.sync.receive(_ACK, self._now_ns))
        self._later(first_ns - 10 * MS, lambda: self.sync.subscribed(self._now_ns))
        for arrival in self._arrivals:
            self._later(arrival.at_ns, partial(self._frame, arrival))
        for at_ns in range(first_ns, last_ns + QUIET_NS, PONG_NS):
            self._later(at_ns, lambda: self.sync.receive(_PONG, self._now_ns))
        self._later(last_ns + QUIET_NS, tuple)
        while self._agenda and not self._restless:
            self._step()
        outcome = self.witness.finish(self._arrivals, self._scenario)
        outcome.end = outcome.end or self._restless
        return outcome

    def _later(self, at_ns: int, action: Callable[[], Sequence[Event]]) -> None:
        heapq.heappush(self._agenda, (at_ns, next(self._order), action))

    def _step(self) -> None:
        """The next input: whatever is due first, or ``check``."""
        due_ns, check_ns = self._agenda[0][0], self.sync.next_check_ns
        if check_ns is not None and check_ns < due_ns:
            self._now_ns = max(self._now_ns, check_ns)
            self._tell(self.sync.check(self._now_ns))
            if self.sync.next_check_ns is not None and self.sync.next_check_ns <= self._now_ns:
                self._restless = self._restless or f"check at {self._now_ns} is due again at {self.sync.next_check_ns}"
        else:
            self._now_ns, _, action = heapq.heappop(self._agenda)
            self._tell(action())

    def _tell(self, events: Sequence[Event]) -> None:
        self.witness.look(events, self._ms())
        for event in events:
            if isinstance(event, NeedSnapshot):
                self._wish = event
                self._later(self._now_ns + event.delay_ms * MS, partial(self._request, event))
            elif isinstance(event, NeedProbe):
                self._later(self._now_ns + self._latency_ns(), self._probe)

    def _ms(self) -> float:
        """Time since the connection was opened."""
        return (self._now_ns - self._opened_ns) / MS

    def _latency_ns(self) -> int:
        return int(self._rng.uniform(5, 120) * MS)

    def _frame(self, arrival: Arrival) -> Sequence[Event]:
        self.witness.hear(arrival.event, self._ms())
        return self.sync.receive(arrival.frame, self._now_ns)

    def _request(self, wish: NeedSnapshot) -> Sequence[Event]:
        """The delay is over: ask, unless the wish was overtaken by events."""
        if wish is self._wish and self.sync.wants_snapshot:
            self._later(self._now_ns + self._latency_ns(), self._send)
        return ()

    def _send(self) -> Sequence[Event]:
        """The request is at the venue: the answer shows the book of this moment."""
        event = self._answered_event(self.plan.market.event_at(self._now_ns))
        body = self._body(event)
        slowness_ms = self._rng.uniform(800, 2_500) if self.plan.slow else 0.0
        self._later(self._now_ns + self._latency_ns() + int(slowness_ms * MS), lambda: self._answer(event, body))
        return ()

    def _answer(self, event: int, body: bytes) -> Sequence[Event]:
        self.witness.answer(event)
        return self.sync.receive_snapshot(body, self._now_ns, depth=self._engine.depth or self.plan.depth or "full")

    def _probe(self) -> Sequence[Event]:
        event = self.plan.market.event_at(self._now_ns)
        return self.sync.receive_probe(self.plan.numbering.sequence(event), self._now_ns)


class Plain(_Driver):
    """Frames and snapshots, and nothing else."""

    name = "plain"

    def __init__(self, scenario: Scenario, seed: int, engine: Engine = REAL) -> None:
        super().__init__(scenario, seed, engine)
        self._frames = 0
        self._wishes: list[tuple[int, int]] = []
        self._answers: list[tuple[int, int, bytes]] = []

    def run(self) -> Outcome:
        """Take the run to its end."""
        for arrival in self._arrivals:
            self._frames += 1
            self.witness.hear(arrival.event, self._frames)
            self._tell(self.sync.receive(arrival.frame))
            self._serve(arrival.at_ns)
        last_ns = self._arrivals[-1].at_ns
        # The stream has ended; what is still under way arrives.
        for _ in range(200):
            self._frames += 1
            self._serve(last_ns)
        return self.witness.finish(self._arrivals, self._scenario)

    def _tell(self, events: Sequence[Event]) -> None:
        self.witness.look(events, self._frames)
        for event in events:
            if isinstance(event, NeedSnapshot):
                slowness = self._rng.randint(60, 150) if self.plan.slow else 0
                sent = self._frames + self._rng.randrange(6)
                self._wishes.append((sent, sent + slowness + self._rng.randrange(9)))

    def _serve(self, now_ns: int) -> None:
        """Whatever was wished for is sent some frames later, and handed in some frames after that."""
        for wish in [wish for wish in self._wishes if wish[0] <= self._frames]:
            self._wishes.remove(wish)
            event = self._answered_event(self.plan.market.event_at(now_ns))
            self._answers.append((wish[1], event, self._body(event)))
        for answer in [answer for answer in self._answers if answer[0] <= self._frames]:
            self._answers.remove(answer)
            self.witness.answer(answer[1])
            # Said only where the truth is not: rows alone tell that 20 levels are not all.
            depth = self._engine.depth
            self._tell(self.sync.receive_snapshot(answer[2], depth=depth))


DRIVERS: Final = (Clocked, Plain)
