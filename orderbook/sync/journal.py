"""What happened, in numbers: counters that add up, and a record of every loss of LIVE."""

from __future__ import annotations

import struct
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Final

from orderbook.events import LevelDifference


@dataclass(slots=True)
class SyncCounters:
    """Counts since the synchroniser was made.

    Every frame that may be this symbol's book is accounted for:
    ``frames == applied + duplicates + rejected_count + discarded_count + buffered``.
    """

    frames: int = 0
    """Deltas of this symbol, and unreadable frames that were its own or nobody's."""
    deltas: int = 0
    """Of the frames, those that could be read and were no repetition of a recent one. It only grows."""
    applied: int = 0
    duplicates: int = 0
    """Deltas with nothing new in them, those that a snapshot covers included."""
    overdue: int = 0
    """Of the duplicates, those that came for the first time when the book was beyond them already."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Unreadable frames by reason."""
    discarded: Counter[str] = field(default_factory=Counter)
    """Readable deltas given up, by reason (a reset, an overflow, a lost link, ...)."""
    ignored: int = 0
    """Frames that are not this symbol's book; not part of ``frames``."""
    price_zero: int = 0
    """Applied rows of price 0: they move the sequence and touch no level."""
    remove_absent: int = 0
    """Applied removals of levels that were not there."""
    reorders: int = 0
    """Holes that filled themselves."""
    gaps: int = 0
    resets: int = 0
    crossed: int = 0
    joins: int = 0
    """Snapshots joined; all but the first are resyncs."""
    snapshots_asked: int = 0
    snapshots_rejected: Counter[str] = field(default_factory=Counter)
    """Snapshot answers by the reason why they were no use."""
    probes_asked: int = 0
    limits: Counter[str] = field(default_factory=Counter)
    """Bounds reached, by the name of their setting."""
    audits: int = 0
    """Snapshots compared with the live book."""
    audits_failed: int = 0
    reseeds: int = 0
    """Horizons moved out by a snapshot without leaving LIVE."""

    def copy(self) -> SyncCounters:
        """The same numbers, which stay as they are now. O(reasons)."""
        found = SyncCounters(*_ALL_OF(self))
        for name in _BY_REASON:
            setattr(found, name, getattr(self, name).copy())
        return found

    @property
    def rejected_count(self) -> int:
        """Unreadable frames, all reasons."""
        return self.rejected.total()

    @property
    def discarded_count(self) -> int:
        """Deltas given up, all reasons."""
        return self.discarded.total()

    @property
    def resyncs(self) -> int:
        """Rebuilds from a new snapshot, after the first join."""
        return max(0, self.joins - 1)

    def to_json(self) -> dict[str, int | dict[str, int]]:
        """All of them by name, ``resyncs`` included; those with reasons as ``{reason: count}``. O(reasons).

        (``dataclasses.asdict`` would count the reasons' counters anew and so get them wrong.)
        """
        found: dict[str, int | dict[str, int]] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            found[one.name] = dict(value) if isinstance(value, Counter) else value
        return found | {"resyncs": self.resyncs}


_ALL_OF = attrgetter(*(one.name for one in fields(SyncCounters)))
_BY_REASON = tuple(one.name for one in fields(SyncCounters) if one.default_factory is not MISSING)


@dataclass(slots=True)
class Loss:
    """One time that LIVE was lost. Times are those of the driver's clock in ns, 0 without one."""

    cause: str
    sequence: int
    """Where the book stood."""
    since_ns: int
    until_ns: int | None = None
    """When it was LIVE again; ``None`` while it lasts."""
    missing: tuple[int, int] | None = None
    """First and last missing sequence, when a gap was found."""
    snapshots_asked: int = 0
    wrong_levels: tuple[LevelDifference, ...] = ()
    """For an audit: which levels were wrong, and by how much."""

    @property
    def duration_ns(self) -> int | None:
        """How long it lasted; ``None`` while it lasts or without a clock."""
        if not self.until_ns or not self.since_ns:
            return None
        return self.until_ns - self.since_ns


_PACKED: Final = struct.Struct("<6q")
_NOTHING: Final = (-1, -1)


def _packed(loss: Loss) -> Loss | bytes:
    """A loss that is over, in a quarter of the room where that can be: hundreds of books have many of them."""
    if loss.wrong_levels or loss.until_ns is None:
        return loss
    numbers = (loss.sequence, loss.since_ns, loss.until_ns, *(loss.missing or _NOTHING), loss.snapshots_asked)
    try:
        return _PACKED.pack(*numbers) + loss.cause.encode()
    except (struct.error, UnicodeError):  # a driver's clock may be anything, and so may a text
        return loss


def _unpacked(kept: Loss | bytes) -> Loss:
    if isinstance(kept, Loss):
        return kept
    sequence, since_ns, until_ns, first, last, asked = _PACKED.unpack_from(kept)
    missing = None if (first, last) == _NOTHING else (first, last)
    return Loss(kept[_PACKED.size :].decode(), sequence, since_ns, until_ns, missing, asked)


class GapJournal:
    """The last losses of LIVE, oldest first; bounded. What is over stays as it was; some 120 bytes each."""

    __slots__ = ("_losses",)

    def __init__(self, losses_max: int) -> None:
        self._losses: deque[Loss | bytes] = deque(maxlen=losses_max)

    def __repr__(self) -> str:
        return f"<GapJournal of {len(self)}, oldest first: {list(self)}>"

    def __len__(self) -> int:
        return len(self._losses)

    def __iter__(self) -> Iterator[Loss]:
        return map(_unpacked, self._losses)

    @property
    def open(self) -> Loss | None:
        """The loss that still lasts, if any."""
        last = self._losses[-1] if self._losses else None
        return last if isinstance(last, Loss) and last.until_ns is None else None

    def lost(self, cause: str, sequence: int, now_ns: int) -> None:
        """LIVE ended."""
        self._losses.append(Loss(cause, sequence, now_ns))

    def missing(self, first: int, last: int) -> None:
        """What the loss that lasts is about, if that was not known yet."""
        if (loss := self.open) is not None and loss.missing is None:
            loss.missing = (first, last)

    def regained(self, now_ns: int) -> None:
        """LIVE again."""
        if (loss := self.open) is not None:
            loss.until_ns = now_ns
            self._losses[-1] = _packed(loss)
