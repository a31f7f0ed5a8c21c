"""What a replay proves: the books compared with whatever else the capture holds.

Two checks, each a tally of ok, bad and skipped:

* *ticker*: the venue's own best bid and ask, compared in price and size with our book at exactly that sequence.
* *snapshot*: later snapshots, which ``BookSync`` itself compares level by level with the LIVE book.

Evidence counts only where the book made a claim. What a content looked like on its way to LIVE is held back until it
is LIVE, and is forgotten if it never gets there. When an epoch ends (a gap, a crossed book, a failed audit, a reset, a
lost link), its past tops are forgotten too, and a ticker that comes later for one of them is skipped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from orderbook import horizon
from orderbook.content import BookContent, RawLevel
from orderbook.events import AuditFailed, AuditPassed, Crossed, Event, Gap, SequenceReset, SnapshotRejected
from orderbook.fixedpoint import Number, normalised
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta, Level, Side, Ticker

TOPS_MAX: Final = 4096
"""Past tops kept of each book: how late a ticker may be, in deltas."""
PENDING_MAX: Final = 4096
"""Tickers kept of each book that are ahead of it; of more, those with the lowest sequence are skipped."""
DIFFERENCES_MAX: Final = 5
"""Bad comparisons of each check whose details are kept."""

# Why a snapshot that could be read was not compared; other reasons mean that it was none.
_UNUSED: Final = frozenset({"old", "ahead", "crossed"})
_READABLE: Final = frozenset({BookState.LIVE, BookState.STALE})


@dataclass(slots=True)
class Tally:
    """How many comparisons came out equal, different, or could not be made."""

    ok: int = 0
    bad: int = 0
    skipped: int = 0

    def to_json(self) -> dict[str, int]:
        """The three numbers by name."""
        return {"ok": self.ok, "bad": self.bad, "skipped": self.skipped}


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison that came out bad."""

    check: str
    """``"ticker"`` or ``"snapshot"``."""
    sequence: int
    ours: str
    """What the book held, in words and exact decimal text."""
    venue: str
    """What the venue said."""

    def __str__(self) -> str:
        return f"{self.check} at sequence {self.sequence}: the book has {self.ours}, the venue {self.venue}"

    def to_json(self) -> dict[str, object]:
        """The same by name."""
        return {"check": self.check, "sequence": self.sequence, "ours": self.ours, "venue": self.venue}


class Top(NamedTuple):
    """The best levels of a content at one sequence, as they stood: nothing is converted unless it is compared."""

    sequence: int
    bid: RawLevel | None
    ask: RawLevel | None
    hidden: bool
    """A best level lies past the horizon, so nothing was claimed."""
    price_decimals: int
    size_decimals: int

    @classmethod
    def of(cls, content: BookContent) -> Top:
        """The top of a content. O(1)."""
        bid, bid_hidden = horizon.best(content, Side.BID)
        ask, ask_hidden = horizon.best(content, Side.ASK)
        hidden = bid_hidden or ask_hidden
        return cls(content.sequence, bid, ask, hidden, content.price_decimals, content.size_decimals)

    def level(self, side: Side) -> Level[Number] | None:
        """The best level of a side as exact numbers."""
        raw = self.bid if side is Side.BID else self.ask
        if raw is None:
            return None
        return Level(normalised(raw[0], -self.price_decimals), normalised(raw[1], -self.size_decimals))


class TickerCheck:
    """The tickers of one symbol against its book, whichever of the two comes first.

    ``observe`` is the ``observer`` of the symbol's ``BookSync``; ``follow`` is called after each of its inputs.

    Attributes:
        tally: What was compared. Tickers still waiting are not in it.
        differences: The first bad ones.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.differences: list[Difference] = []
        self._tops: OrderedDict[int, Top] = OrderedDict()
        self._covered: int | None = None
        self._pending: list[tuple[int, int, Ticker]] = []
        self._pending_count = 0
        self._building: BookContent | None = None
        self._fresh: list[Top] = []
        self._epoch = 0

    @property
    def waiting(self) -> int:
        """Tickers that the book has not reached."""
        return len(self._pending)

    def observe(self, content: BookContent, _delta: Delta | None = None) -> None:
        """A delta was applied to a content, or it was just made from a snapshot; whether it counts is not known yet."""
        if content is not self._building:
            self._building = content
            self._fresh.clear()
        self._fresh.append(Top.of(content))

    def follow(self, sync: BookSync, events: Sequence[Event]) -> None:
        """See what an input made of the book."""
        for event in events:
            if isinstance(event, SequenceReset):
                self.forget()
            elif isinstance(event, Gap | Crossed | AuditFailed):
                self._end_epoch()
        if self._fresh and sync.state is BookState.LIVE:
            self._count(sync.book.epoch)

    def offer(self, ticker: Ticker) -> None:
        """Compare a ticker now, or when the book is there. O(log waiting)."""
        if self._covered is not None and ticker.sequence <= self._covered:
            self._compare(ticker)
            return
        self._pending_count += 1  # Keeps the heap from comparing tickers of one sequence.
        heappush(self._pending, (ticker.sequence, self._pending_count, ticker))
        if len(self._pending) > PENDING_MAX:
            heappop(self._pending)
            self.tally.skipped += 1

    def forget(self) -> None:
        """The link is gone, or the venue counts anew: nothing heard so far can be compared with what follows."""
        self.tally.skipped += len(self._pending)
        self._pending.clear()
        self._end_epoch()

    def _end_epoch(self) -> None:
        self._tops.clear()
        self._covered = None

    def _count(self, epoch: int) -> None:
        """The content became LIVE, or stayed so: its tops are claims."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._end_epoch()
        for top in self._fresh:
            self._tops[top.sequence] = top
        self._covered = self._fresh[-1].sequence
        self._fresh.clear()
        while len(self._tops) > TOPS_MAX:
            self._tops.popitem(last=False)
        while self._pending and self._pending[0][0] <= self._covered:
            self._compare(heappop(self._pending)[2])

    def _compare(self, ticker: Ticker) -> None:
        top = self._tops.get(ticker.sequence)
        if top is None or top.hidden:
            self.tally.skipped += 1
            return
        ours = top.level(Side.BID), top.level(Side.ASK)
        if ours == (ticker.bid, ticker.ask):
            self.tally.ok += 1
            return
        self.tally.bad += 1
        if len(self.differences) < DIFFERENCES_MAX:
            venue = _quotes(ticker.bid, ticker.ask)
            self.differences.append(Difference("ticker", ticker.sequence, _quotes(*ours), venue))


class SnapshotCheck:
    """Counts what ``BookSync`` made of the snapshots that came after the book was joined.

    Attributes:
        offered: Snapshots that came while the book was LIVE or STALE.
        tally: What was compared; ``skipped`` is worked out, since a snapshot ahead of the stream is judged later.
        differences: The first bad ones.
    """

    def __init__(self) -> None:
        self.offered = 0
        self.tally = Tally()
        self.differences: list[Difference] = []

    def follow(self, events: Sequence[Event], state_before: BookState | None = None) -> None:
        """Take the events of one input; of a snapshot, with the state that it met."""
        if state_before in _READABLE:
            answer = (event.reason for event in events if isinstance(event, SnapshotRejected))
            self.offered += next(answer, "old") in _UNUSED
        for event in events:
            if isinstance(event, AuditPassed):
                self.tally.ok += 1
            elif isinstance(event, AuditFailed):
                self.tally.bad += 1
                self._keep(event)
        self.tally.skipped = self.offered - self.tally.ok - self.tally.bad

    def _keep(self, event: AuditFailed) -> None:
        if len(self.differences) >= DIFFERENCES_MAX:
            return
        shown = event.differences[:DIFFERENCES_MAX]
        more = len(event.differences) - len(shown)
        tail = f" and {more} more" if more else ""
        ours = ", ".join(f"{one.side.name.lower()} {one.price} x {one.ours}" for one in shown) + tail
        venue = ", ".join(f"{one.side.name.lower()} {one.price} x {one.theirs}" for one in shown) + tail
        self.differences.append(Difference("snapshot", event.sequence, ours, venue))


def _quotes(bid: Level[Number] | None, ask: Level[Number] | None) -> str:
    return f"bid {_quote(bid)}, ask {_quote(ask)}"


def _quote(level: Level[Number] | None) -> str:
    return "none" if level is None else f"{level.price.to_decimal():f} x {level.size.to_decimal():f}"
