"""A seeded walk: a small venue, a bad link, and a ``BookSync`` whose inside is looked at after every input."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from orderbook.events import Event, SnapshotRejected, StateChanged
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.sync.facts import NEVER
from orderbook.sync.waits import Name
from orderbook.types import BookState, Delta, Side
from tests.kucoin_frames import SYMBOL, delta, snapshot
from tests.told import miscounted

MS: Final = 1_000_000
READY: Final = frozenset({BookState.SYNCING, BookState.LIVE, BookState.STALE})
URGENT: Final[tuple[Name, ...]] = ("first_delta", "hold", "unanswered", "ahead", "audit", "behind", "answer")
# Every bound so small that a walk meets it.
SETTINGS: Final = SyncSettings(
    reset_window=8,
    reorder_hold_frames=3,
    catch_up_frames=5,
    calm_frames=12,
    buffer_frames_max=6,
    buffer_rows_max=10,
    levels_max=9,
    audit_frames_max=4,
    journal_max=3,
)

Levels = dict[int, int]
Truth = dict[Side, Levels]


class SmallVenue:
    """The venue's own books by sequence, and the frames that are under way."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.sequence = 5_000
        self.book: Truth = {Side.BID: {100: 1, 99: 2, 98: 1}, Side.ASK: {101: 1, 102: 2, 103: 3}}
        self.history: dict[int, Truth] = {}
        self.frames: list[bytes] = []
        self._keep()

    def _keep(self) -> None:
        self.history[self.sequence] = {side: dict(levels) for side, levels in self.book.items()}

    def tick(self) -> None:
        """One delta of up to three changes."""
        start = self.sequence + 1
        rows: dict[Side, list[tuple[str, str, str]]] = {Side.BID: [], Side.ASK: []}
        for _ in range(self._rng.choice((1, 1, 1, 2, 3))):
            self.sequence += 1
            side = self._rng.choice(list(Side))
            price = 100 - self._rng.randrange(6) if side is Side.BID else 101 + self._rng.randrange(6)
            if self._rng.random() < 0.01:
                price += 3 * side.opposite.value
            size = self._rng.choice((0, 0, 1, 2, 3))
            if self._rng.random() < 0.05:
                price = 0
            elif size:
                self.book[side][price] = size
            else:
                self.book[side].pop(price, None)
            rows[side].append((str(price), str(size), str(self.sequence)))
            self._keep()
        self.frames.append(delta(start, self.sequence, bids=rows[Side.BID], asks=rows[Side.ASK]))

    def reset(self) -> None:
        """It counts anew, far below; what was under way may still come."""
        self.sequence -= 1_000
        self._keep()

    def body(self, sequence: int, depth: int | None) -> bytes:
        """A snapshot's answer."""
        book = self.history[sequence]
        rows = {
            side: [
                (str(side.value * key), str(levels[side.value * key])) for key in sorted(side.value * p for p in levels)
            ]
            for side, levels in book.items()
        }
        return snapshot(sequence, rows[Side.BID][:depth], rows[Side.ASK][:depth])


class Walk:
    """One walk; ``step`` raises ``AssertionError`` when the inside is not what it should be."""

    def __init__(self, seed: int, *, clocked: bool) -> None:
        self.rng = random.Random(seed)
        self.venue = SmallVenue(self.rng)
        self.events: Counter[type[Event]] = Counter()
        self.observed = 0
        self.sync = BookSync("kucoin", SYMBOL, settings=SETTINGS, observer=self._observe)
        self.now_ns = 1_000 * MS if clocked else 0
        self.depth: int | None = None
        self.sent: list[bytes] = []
        self.was_live = False
        self.heard_frames = 0
        self.told = BookState.CONNECTING
        self.log: list[str] = []

    def _observe(self, _content: object, change: Delta | None) -> None:
        self.observed += change is not None

    # -- inputs --

    def step(self) -> None:
        """One input, chosen at random."""
        names, weights = zip(*STEPS.items(), strict=True)
        name = self.rng.choices(names, weights)[0]
        self.log.append(name)
        if self.now_ns:
            self.now_ns += self.rng.choice((1, 1, 5, 30)) * MS
        events: Sequence[Event] = getattr(self, name)() or ()
        self._account(events)
        self.look()

    def tick(self) -> None:
        """The venue's book changes."""
        self.venue.tick()

    def _receive(self, frame: bytes) -> Sequence[Event]:
        return self.sync.receive(frame, self.now_ns)

    def deliver(self, at: int = 0) -> Sequence[Event]:
        """The next frame arrives."""
        if not self.venue.frames:
            self.venue.tick()
        frame = self.venue.frames.pop(min(at, len(self.venue.frames) - 1))
        self.sent = [*self.sent[-30:], frame]
        return self._receive(frame)

    def overtake(self) -> Sequence[Event]:
        """The one after it arrives first."""
        self.venue.tick()
        self.venue.tick()
        return self.deliver(1)

    def lose(self) -> None:
        """The next frame is lost."""
        del self.venue.frames[:1]

    def repeat(self) -> Sequence[Event]:
        """One arrives again."""
        return self._receive(self.rng.choice(self.sent)) if self.sent else ()

    def garble(self) -> Sequence[Event]:
        """The next one cannot be read; whose it was can be told or not."""
        frame = self.venue.frames.pop(0) if self.venue.frames else delta(1)
        return self._receive(frame[: -self.rng.choice((3, 100))])

    def pong(self) -> Sequence[Event]:
        """Something else is heard."""
        return self._receive(self.rng.choice((b'{"type":"pong"}', delta(3, symbol="ETH-USDT"))))

    def answer(self) -> Sequence[Event]:
        """A snapshot: fresh or old, deep or not."""
        sequences = [number for number in self.venue.history if abs(number - self.venue.sequence) < 12]
        sequence = self.rng.choice([*sequences, *[self.venue.sequence] * 12])
        self.depth = self.rng.choice((None, None, 2, 3))
        body = self.venue.body(sequence, self.depth)
        return self.sync.receive_snapshot(body, self.now_ns, depth=self.depth or "full")

    def refuse(self) -> Sequence[Event]:
        """An answer that is no book, or an impossible one."""
        bodies = [b"<html>", b"", snapshot(self.venue.sequence, [("9", "1")], [("8", "1")])]
        if not self.sync._answers._was_empty:  # twice in a row it would be believed
            bodies.append(snapshot(self.venue.sequence, (), ()))
        return self.sync.receive_snapshot(self.rng.choice(bodies), self.now_ns, depth="full")

    def probe(self) -> Sequence[Event]:
        """The venue's sequence, now or a moment ago."""
        return self.sync.receive_probe(self.venue.sequence - self.rng.choice((0, 0, 0, 1, 3)), self.now_ns)

    def audit(self) -> Sequence[Event]:
        """The driver wants to know."""
        return self.sync.audit(self.now_ns)

    def pause(self) -> Sequence[Event]:
        """Time passes, where there is a clock."""
        if not self.now_ns:
            return ()
        self.now_ns += self.rng.choice((20, 300, 1_000, 2_500, 6_000, 12_000, 40_000)) * MS
        return self.sync.check(self.now_ns)

    def reset(self) -> None:
        """The venue counts anew."""
        self.venue.reset()

    def cut(self) -> Sequence[Event]:
        """The link is lost, and what was under way with it."""
        self.venue.frames.clear()
        self.sent.clear()
        return self.sync.connection_lost(self.now_ns)

    def open(self) -> Sequence[Event]:
        """Another one is opened."""
        self.venue.frames.clear()
        self.sent.clear()
        return self.sync.connection_opened(self.now_ns)

    def subscribe(self) -> Sequence[Event]:
        """The subscription is acknowledged, perhaps once more."""
        return self.sync.subscribed(self.now_ns)

    def halt(self) -> Sequence[Event]:
        """The venue does not trade."""
        return self.sync.halt("halted", self.now_ns)

    # -- the looks --

    def _account(self, events: Sequence[Event]) -> None:
        """Everything told is counted, and every change of state begins where the last one ended."""
        for event in events:
            self.events[type(event)] += 1
            if isinstance(event, StateChanged):
                assert self.told is event.old is not event.new
                self.told = event.new
                self.was_live |= event.new is BookState.LIVE
        counters, told = self.sync.counters, self.events
        assert self.told is self.sync.state
        assert [] == miscounted(told, counters)
        assert told[SnapshotRejected] <= counters.snapshots_rejected.total()
        assert self.observed == counters.applied
        assert counters.joins == self.sync.book.epoch
        read = counters.applied + counters.duplicates + self.sync.buffered
        assert counters.frames == read + counters.rejected_count + counters.discarded_count

    def look(self) -> None:
        """The whole inside."""
        sync, desk, machine = self.sync, self.sync._desk, self.sync._machine
        waits, state = desk.waits, sync.state
        assert waits.urgent == any(waits.running(name) for name in URGENT)
        assert waits.running("unanswered") == (desk.wish is not None) == sync.wants_snapshot
        assert waits.running("symbol") == desk.subscribed
        assert waits.running("link") == (state in READY)
        assert desk.is_awaited or not (sync.wants_snapshot or desk.is_void)
        assert machine.base is None or not desk.is_void
        assert (sync.journal.open is not None) == (self.was_live and state is not BookState.LIVE)
        audit = machine.auditor._audit
        assert waits.running("audit") or audit is None or audit.snapshot is None
        assert not waits.running("audit") or audit is not None
        assert not waits.running("behind") or (machine.probed != NEVER and machine.base is sync.book.content)
        if state not in READY:
            self._look_outside()
        elif state is BookState.SYNCING:
            self._look_syncing()
        else:
            self._look_joined()

    def _look_outside(self) -> None:
        """Nothing is known, and nothing awaited."""
        machine, desk = self.sync._machine, self.sync._desk
        assert machine.base is None
        assert (machine.high, machine.owed, machine.probed) == (NEVER, NEVER, NEVER)
        assert machine.provenance.lost == NEVER
        assert (0, (), False) == (self.sync.buffered, self.sync.recent, machine.auditor.busy)
        assert (False, False, False) == (machine._gapped, machine._silent, desk.subscribed)
        assert (0, {}) == (desk.attempts, desk.waits._running)

    def _look_syncing(self) -> None:
        """Each wait has its cause, and something is awaited or asked for whatever is missing."""
        machine, desk = self.sync._machine, self.sync._desk
        running, base = desk.waits.running, machine.base
        is_hole = base is not None and base.sequence < machine.high
        assert running("hold") == (is_hole and not machine._gapped)
        assert base is not None or not machine.auditor.busy
        assert not running("first_delta") or (base is None and desk.subscribed and not self.sync.wants_snapshot)
        is_ahead = base is not None and base is not self.sync.book.content and machine.owed > machine.high
        assert not is_ahead or is_hole or running("ahead")
        assert not running("ahead") or (base is not None and not is_hole)
        if desk.subscribed and not (machine._silent or desk.is_link_silent or desk.is_unasked):
            assert self.sync.wants_snapshot or any(running(name) for name in ("first_delta", "hold", "ahead"))

    def _look_joined(self) -> None:
        """LIVE is the truth, the stream's end, and nothing is missing; STALE has one reason to be."""
        machine, desk, content = self.sync._machine, self.sync._desk, self.sync.book.content
        assert machine.base is content
        assert not self.sync.buffered
        assert not content.is_crossed
        assert machine.high <= content.sequence
        assert machine.high == content.sequence or self.sync.state is BookState.STALE
        assert not any(desk.waits.running(name) for name in ("hold", "ahead", "first_delta"))
        late = max(machine.owed, machine.provenance.lost) > machine.high
        if self.sync.state is BookState.STALE:
            assert machine._silent or late or desk.is_unasked or desk.is_link_silent
            return
        assert (False, False, False) == (late, machine._silent, machine._gapped)
        assert desk.waits.running("behind") == (machine.probed > content.sequence)
        assert NEVER == machine.probed or desk.waits.running("behind")
        is_unanswered = machine.auditor.is_unanswered
        assert is_unanswered or not self.sync.wants_snapshot
        # A copy that was started anew for its length waits for the end of its snapshot's time.
        assert not is_unanswered or self.sync.wants_snapshot or desk.waits.running("audit")
        self._compare()

    def _compare(self) -> None:
        """The book that is read, as far as it is known, against the venue's at that sequence."""
        content = self.sync.book.content
        content.verify()
        truth = self.venue.history[content.sequence]
        for side in Side:
            known = dict(content.ladder(side).top(content.trusted_count(side)))
            edge = content.horizon[side]
            inside = {p: s for p, s in truth[side].items() if edge is None or side.value * p <= side.value * edge}
            assert known == inside, f"{side.name} at {content.sequence}"
            assert max(len(content.bids), len(content.asks)) <= SETTINGS.levels_max


STEPS: Final[dict[str, float]] = {
    "tick": 8,
    "deliver": 40,
    "overtake": 4,
    "lose": 2,
    "repeat": 3,
    "garble": 2,
    "pong": 2,
    "answer": 14,
    "refuse": 2,
    "probe": 4,
    "audit": 4,
    "pause": 6,
    "reset": 0.5,
    "cut": 0.7,
    "open": 1,
    "subscribe": 2,
    "halt": 0.3,
}
