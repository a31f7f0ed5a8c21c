"""A venue so small that everything that can go wrong with its stream can be tried, one schedule after another.

The venue makes five changes on both sides of a four-level book. A *schedule* says how they are cut into frames, what
becomes of each frame (delivered, lost, doubled, swapped with the next, repeated late), which snapshot arrives when (of
any sequence: stale, right or early; full or cut off), and which one special thing happens besides (a sequence reset, a
lost link, an unreadable frame, a probe, an audit, ...). After the schedule the venue *heals*: frames arrive, questions
are answered.

The specification is one sentence: LIVE implies equal to the venue's book at the sequence it names, with no delta known
to be missing; and once faults end, LIVE returns. Checked are

* safety: whenever LIVE, the ladders equal the truth (within the horizon), and no delta beyond ``sequence`` was heard;
* recovery: LIVE and equal again within a bounded number of rounds;
* economy: one snapshot where nothing was lost, and never more than the faults account for;
* accounting: every frame is applied, a duplicate, rejected, discarded or still buffered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from orderbook.errors import FrameError
from orderbook.fixedpoint import normalised
from orderbook.types import Change, Control, Delta, Message, Side, Snapshot

Book = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
"""(bids, asks), each ((price, size), ...), best first."""

BASE: Final = 100
"""The venue's sequence before the first change; after a reset it counts from 0."""
HEAL_ROUNDS: Final = 30

# Losing any of these leaves another book; losing the second makes the third cross.
_CHANGES: Final = (
    (Side.BID, 10, 3),
    (Side.ASK, 11, 0),
    (Side.BID, 12, 2),
    (Side.BID, 10, 0),
    (Side.ASK, 13, 5),
)
# What the venue does while it heals, over and over: every round moves the touch.
_HEALING: Final = ((Side.ASK, 13, 7), (Side.BID, 9, 4), (Side.BID, 12, 0), (Side.BID, 12, 6))
_START: Final = ({9: 1, 8: 2}, {11: 1, 13: 2})
_AFTER_RESET: Final = ({7: 1, 6: 1}, {13: 1, 14: 1})


class Truth:
    """The venue's own book at every sequence, and the frames and snapshots it sends."""

    def __init__(self) -> None:
        self.books: dict[int, Book] = {}
        self._changes: dict[int, tuple[Side, int, int]] = {}
        self._run(BASE, _START)
        self._run(0, _AFTER_RESET)

    def _run(self, base: int, start: tuple[dict[int, int], dict[int, int]]) -> None:
        sides = {Side.BID: dict(start[0]), Side.ASK: dict(start[1])}
        changes = _CHANGES if base == BASE else ()
        endless = [_HEALING[i % len(_HEALING)] for i in range(HEAL_ROUNDS + 40)]
        self.books[base] = _frozen(sides)
        for offset, (side, price, size) in enumerate((*changes, *endless), start=1):
            if size:
                sides[side][price] = size
            else:
                sides[side].pop(price, None)
            self._changes[base + offset] = (side, price, size)
            self.books[base + offset] = _frozen(sides)

    def delta(self, start: int, end: int) -> Delta:
        """One frame over ``start..end``: the last size of each price, with the sequence of its last change."""
        rows: dict[tuple[Side, int], Change] = {}
        for sequence in range(start, end + 1):
            side, price, size = self._changes[sequence]
            rows[side, price] = Change(normalised(price, 0), normalised(size, 0), sequence)
        return Delta(
            SYMBOL,
            start,
            end,
            tuple(row for (side, _), row in rows.items() if side is Side.BID),
            tuple(row for (side, _), row in rows.items() if side is Side.ASK),
        )

    def snapshot(self, sequence: int, depth: int | None = None) -> Snapshot:
        """The book at a sequence, cut off after ``depth`` levels a side."""
        bids, asks = self.books[sequence]
        return Snapshot(sequence, _rows(bids[:depth]), _rows(asks[:depth]))


def _frozen(sides: dict[Side, dict[int, int]]) -> Book:
    return tuple(sorted(sides[Side.BID].items(), reverse=True)), tuple(sorted(sides[Side.ASK].items()))


def _rows(levels: Sequence[tuple[int, int]]) -> tuple[Change, ...]:
    return tuple(Change(normalised(price, 0), normalised(size, 0)) for price, size in levels)


SYMBOL: Final = "A-B"
TRUTH: Final = Truth()
DELTAS: Final[dict[str, Delta]] = {}
_SNAPSHOTS: Final[dict[str, Snapshot]] = {}


class SmallVenue:
    """A venue whose frames are names: what they stand for was made before."""

    name = "small"
    partial_depths: frozenset[int] = frozenset()

    def check_symbol(self, symbol: object) -> None:
        """Any symbol."""

    def snapshot_request(self, url: str) -> tuple[str, int | str] | None:
        """None."""

    def probe_answer(self, url: str, text: str) -> tuple[str, int] | None:
        """None."""

    def guess_symbol(self, text: str) -> str | None:
        """Broken frames of ours say so."""
        return SYMBOL if text == "broken ours" else None

    def decode_pushed(self, text: str, received_ns: int = 0) -> Message:  # noqa: ARG002 - as Venue has it
        """It has no streams beside its book."""
        return self.decode(text)

    def decode(self, text: str) -> Message:
        """Look the frame up."""
        if text.startswith("broken"):
            raise FrameError("json", text)
        return DELTAS.get(text) or Control(text)

    def decode_snapshot(self, text: str) -> Snapshot:
        """Look the snapshot up."""
        if text == "nothing":
            raise FrameError("error", "no data")
        return _SNAPSHOTS[text]


def frame(start: int, end: int) -> str:
    """The name of the frame over ``start..end``."""
    name = f"{start}-{end}"
    if name not in DELTAS:
        DELTAS[name] = TRUTH.delta(start, end)
    return name


def known(delta: Delta) -> str:
    """The name of a frame that the venue should not have sent."""
    name = f"other {delta.sequence_start}-{delta.sequence_end}"
    DELTAS[name] = delta
    return name


def snapshot(sequence: int, depth: int | None = None) -> str:
    """The name of a snapshot."""
    name = f"{sequence}/{depth}"
    if name not in _SNAPSHOTS:
        _SNAPSHOTS[name] = TRUTH.snapshot(sequence, depth)
    return name


# The venue's own fault: a removal is missing, so that the book crosses without any hole.
DELTAS["lost row"] = TRUTH.delta(BASE + 2, BASE + 3)._replace(asks=())
_SNAPSHOTS["crossed"] = Snapshot(BASE + 3, _rows([(12, 1)]), _rows([(11, 1)]))


class Schedule(NamedTuple):
    """One way for things to go wrong. ``moment`` counts the arrivals before it."""

    ends: tuple[int, ...]
    """Last change of each frame."""
    fates: tuple[str, ...]
    """For each frame: ``once``, ``lost``, ``twice``, ``swapped`` (behind the next) or ``late`` (again at the end)."""
    snapshot: int
    """Which sequence, counted from ``BASE``."""
    moment: int
    """When it arrives."""
    depth: int | None
    special: str
    special_moment: int

    @property
    def nothing_lost(self) -> bool:
        """Whether every delta arrives at last, nothing special happens, and the first snapshot is of use."""
        arrived = [end for end, fate in zip(self.ends, self.fates, strict=True) if fate != "lost"]
        return len(arrived) == len(self.ends) and self.special == "none"

    def arrivals(self) -> list[str]:
        """The frames, in the order in which they come."""
        frames = [frame(BASE + a + 1, BASE + b) for a, b in zip((0, *self.ends), self.ends, strict=False)]
        order: list[str] = []
        late: list[str] = []
        held: list[str] = []
        for name, fate in zip(frames, self.fates, strict=True):
            order += {"once": [name], "twice": [name, name], "late": [name]}.get(fate, [])
            if fate == "late":
                late.append(name)
            if fate == "swapped":
                held.append(name)
            elif held:
                order += held
                held = []
        return order + held + late


SPECIALS: Final = (
    "none",
    "reset",
    "link lost",
    "broken ours",
    "broken nobody's",
    "overflow",
    "probe",
    "old probe",
    "audit",
    "wrong audit",
    "crossed snapshot",
    "no snapshot",
    "unanswered",
    "halted",
    "stale cache",
    "cached reset",
    "two answers",
    "silence",
    "dead topic",
    "wrong probe",
    "unseen reset",
    "near reset",
    "lost row",
    "overgrown",
    "late audit",
    "early audit",
)


def schedules(
    *,
    changes: int,
    fates: Sequence[str],
    specials: Sequence[str] = ("none",),
    depths: Sequence[int | None] = (None,),
) -> Iterator[Schedule]:
    """Every schedule of the first ``changes`` changes: all cuts, fates, snapshots, moments and specials."""
    for cut in product((False, True), repeat=changes - 1):
        ends = (*(i + 1 for i, is_end in enumerate(cut) if is_end), changes)
        for chosen in product(fates, repeat=len(ends)):
            arrivals = len(ends) + sum(f in ("twice", "late") for f in chosen) - sum(f == "lost" for f in chosen)
            for sequence, moment, depth in product(range(changes + 2), range(arrivals + 1), depths):
                for special in specials:
                    moments = range(arrivals + 1) if special != "none" else (0,)
                    for special_moment in moments:
                        yield Schedule(ends, chosen, sequence, moment, depth, special, special_moment)


World = dict[str, Any]
"""Arguments of ``schedules``."""

WORLDS: Final[dict[str, World]] = {
    "streams": {"changes": 4, "fates": ("once", "lost", "twice", "swapped")},
    "late": {"changes": 3, "fates": ("once", "lost", "swapped", "late")},
    "cut off": {"changes": 3, "fates": ("once", "lost", "swapped"), "depths": (1, 2)},
    "specials": {"changes": 3, "fates": ("once", "lost"), "specials": SPECIALS[1:]},
    "specials, cut off": {"changes": 2, "fates": ("once", "lost", "swapped"), "specials": SPECIALS[1:], "depths": (1,)},
}
LARGE_WORLDS: Final[dict[str, World]] = {
    "streams": {"changes": 5, "fates": ("once", "lost", "twice", "swapped")},
    "late": {"changes": 4, "fates": ("once", "lost", "twice", "swapped", "late")},
    "cut off": {"changes": 4, "fates": ("once", "lost", "twice", "swapped"), "depths": (1, 2)},
    "specials": {
        "changes": 3,
        "fates": ("once", "lost", "twice", "swapped"),
        "specials": SPECIALS[1:],
        "depths": (None, 1),
    },
}
