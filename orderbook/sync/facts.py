"""What can happen to a book, and what the table is told of it: the left side of every rule."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

NEVER: Final = -1
"""Stands for "no such sequence" in the facts: below every real one."""


class Input(Enum):
    """What can happen."""

    DELTA = "delta"
    APPLIED = "after applying"
    UNREADABLE = "unreadable frame"
    SNAPSHOT = "snapshot"
    COMPARED = "after comparing"
    PROBE = "probe"
    TIMER = "timer"
    LINK = "link"


class DeltaFacts(NamedTuple):
    """Of a delta, beside the book: ``last`` is ``NEVER`` without a book to continue.

    ``joining``: what it would continue, if anything, was not joined yet.
    """

    start: int
    end: int
    last: int
    high: int
    reset_window: int
    repeats: bool
    contradicts: bool
    joining: bool


class AppliedFacts(NamedTuple):
    """Of the book after the stream was applied as far as it goes.

    ``outdated``: it is new, and does not hold what the last deltas said, or is a book of a count that the venue left.
    ``owed``: the stream must still show this sequence, for a snapshot that was ahead of it, a frame that was lost, or a
    venue that was seen ahead.
    """

    crossed: bool
    overgrown: bool
    waiting: bool
    outdated: bool
    high: int
    owed: int
    silent: bool
    unasked: bool


class UnreadableFacts(NamedTuple):
    """Of a frame that could not be decoded."""

    ours: bool


class SnapshotFacts(NamedTuple):
    """Of a snapshot.

    ``first`` is the start of the oldest delta that is still to be had: the buffer's first, or, when nothing is
    buffered, the one after ``high``. ``copied`` is where the audit's copy stands; ``older``, how many answers since,
    while the stream stood still, were older than it; ``overdue``, whether a delta came for the first time that the book
    was beyond, or none is joined that could tell. ``old_high`` is where the venue was before it began to count anew,
    until a book of the new count is joined; ``outdated``, whether it is suspected to be a book of the old count, and
    ``void``, whether it was asked for before the venue counted anew. ``overtaken``: so many in a row could not be
    joined, because the stream has a hole, and what lies behind the hole came before what lies in front of it and did
    not go on. ``behind``: the venue was seen ahead of a joined book; ``refuted``, how many answers since were not, if
    the stream goes on. ``hollow``: it holds not one level, and the answer before it did. ``whole``, ``mute``,
    ``doubtful``, ``unsure``, ``probed``: see ``ProbeFacts``.
    """

    sequence: int
    crossed: bool
    hollow: bool
    whole: bool
    first: int
    last: int
    copied: int
    older: int
    overdue: bool
    high: int
    old_high: int
    outdated: bool
    void: bool
    overtaken: int
    behind: bool
    refuted: int
    mute: bool
    doubtful: bool
    unsure: bool
    probed: int


class ComparedFacts(NamedTuple):
    """Of an audit."""

    equal: bool


class ProbeFacts(NamedTuple):
    """Of a probe.

    ``whole``: nothing was heard beyond the book. ``still``: no delta came since the probe was asked for. ``void``: it
    was asked for before the venue counted anew. ``mute``: the stream was found behind twice, with no delta in between,
    so no mere answer tells that it is not. ``doubtful``: no mere answer can confirm the book, because it was taken from
    a snapshot that the stream has not reached though deltas came since.
    ``unsure``: a frame was lost, and this answer, the first to say that the venue stands still, may be older than that.
    ``probed``: the farthest that an earlier answer was ahead of the book; an answer that says less is an older one.
    """

    sequence: int
    last: int
    reset_window: int
    whole: bool
    still: bool
    void: bool
    mute: bool
    doubtful: bool
    unsure: bool
    probed: int


class TimerFacts(NamedTuple):
    """True where a wait is over, by time or by count; see ``waits.Wait``."""

    first_delta: bool
    hold: bool
    unanswered: bool
    ahead: bool
    audit: bool
    link: bool
    behind: bool
    answer: bool
    symbol: bool


Facts = DeltaFacts | AppliedFacts | UnreadableFacts | SnapshotFacts | ComparedFacts | ProbeFacts | TimerFacts
