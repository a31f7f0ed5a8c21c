"""The table by which a local book joins its stream, as data. Everything that decides a transition stands here.

Theory
------
The venue changes its book at sequences 1, 2, 3, ... A *delta* covers ``start..end`` and gives the absolute sizes that
its prices have at ``end``. A *snapshot* is the whole book at one sequence S, and it may reach us late or be old. Call
``last`` the sequence of our own book.

*Safety.* If our book equals the venue's at ``last``, and a delta has ``start <= last + 1`` and ``end > last``, then
applying it gives the venue's book at ``end``: no change in between is missing, and the ones it repeats are absolute.
Nothing else keeps the equality, so nothing else is ever applied. A snapshot joins only if the buffered stream continues
it without a hole, and only once the stream has reached it (``high >= S``): a snapshot that is ahead of everything heard
may come from another count of the venue, and if it does, the stream will never meet it.

*Honesty.* LIVE says more than equality: no delta may be known to be missing. So a hole, a frame that could not be
read, a crossed book or a lost link end LIVE at once, before the next read, whatever is found out later.

*Recovery.* Whatever was lost, a snapshot newer than the buffer's start repairs it; so we keep buffering and keep
asking, with growing delays and without end. Sequences that fall far behind ``high`` mean that the venue counts anew;
discarding them as old would freeze the book for ever.

*Economy.* A hole that fills itself within moments was a reordering, a delta that tells nothing new is a duplicate:
neither costs a snapshot, and at most one wish for a snapshot is outstanding.

Each ``Rule`` below is one line of the table: in these states, for this input, under this condition, that verdict. The
first rule that matches decides. ``NEXT`` says where a verdict leads; a verdict that is no key there is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from orderbook.sync.facts import NEVER, Facts, Input
from orderbook.types import BookState

OLDER_MAX: Final = 4
"""So many answers may be older than an audit's copy; with the growing delays of the wishes, for four seconds or so."""


class Verdict(Enum):
    """What then is done; ``BookSync`` has one method for each."""

    # For a delta.
    RESET = "the venue counts anew: the buffer starts with what came, ask"
    BUFFER = "keep it for the snapshot"
    IGNORE = "count it as a duplicate; no snapshot"
    APPLY = "apply it whole, or row by row where the book already has a part"
    HOLD = "keep it, wait for the missing one"
    DISCARD = "count and drop it"
    # After applying.
    CROSSED = "something was lost: ask; never repaired by deleting levels"
    OVERGROWN = "too large to keep: ask"
    OUTDATED = "a book of a count that the venue has left: ask"
    WAIT_HOLE = "wait for the hole to be filled"
    WAIT_STREAM = "joined, to be confirmed by the stream or a probe"
    JOIN = "in step with the stream"
    # For a frame that cannot be read.
    SUSPECT = "a message of ours was lost: ask, unless the next delta continues the book"
    QUESTION = "ask for a probe, within the rate limit"
    # For a snapshot.
    REJECT = "reject it, keep the buffer, ask again after a delay"
    ADOPT = "drop what it covers, replay the rest"
    CONFIRM = "the book is as new as the venue's"
    INCONCLUSIVE = "no comparison is possible; ask again if it was asked for"
    AWAIT = "keep it until the stream reaches it"
    COMPARE = "replay the copy to its sequence and compare level by level"
    AGREE = "take the farther horizon"
    DIFFER = "tell the differences, ask"
    # For a probe.
    WATCH = "give the stream a moment to catch up"
    # For a timer.
    ASK = "ask for a snapshot (again)"
    GAP = "the hole is a gap: ask, keep buffering"
    DROP = "drop the snapshot, ask again"
    SILENT = "wait until something is heard"
    UNASKED = "ask again, until a delta or an answer comes"
    BEHIND = "ask; LIVE again when the stream has caught up, or continues the snapshot"
    # For the link.
    LOSE = "everything buffered is dropped"
    OPEN = "wait for the subscription"
    HALT = "withhold the book until the venue trades again"
    FAIL = "withhold the book; the user has to act"
    CLOSE = "final"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table."""

    name: str
    states: frozenset[BookState]
    input: Input
    condition: str
    when: Callable[..., bool]
    verdict: Verdict


_S, _L, _T = BookState.SYNCING, BookState.LIVE, BookState.STALE
_SYNCING, _LIVE, _STALE, _JOINED = frozenset({_S}), frozenset({_L}), frozenset({_T}), frozenset({_L, _T})
_READY = frozenset({_S, _L, _T})
_OUT = frozenset(BookState) - _READY


def continues(start: int, end: int, last: int) -> bool:
    """KuCoin calibration, step 4: ``start <= last + 1`` and ``end > last``."""
    return start <= last + 1 and end > last


def _otherwise(_facts: Facts) -> bool:
    return True


_Line = tuple[str, frozenset[BookState], str, Callable[..., bool], Verdict]

_TABLE: Final[dict[Input, tuple[_Line, ...]]] = {
    Input.DELTA: (
        ("not connected", _OUT, "otherwise", _otherwise, Verdict.DISCARD),
        ("repetition", _READY, "a recent delta again, to the letter", lambda f: f.repeats, Verdict.IGNORE),
        ("sequence reset", _READY, "`end < high - reset_window`",
         lambda f: f.end < f.high - f.reset_window, Verdict.RESET),
        ("contradiction", _READY, "a row's own sequence was another row's before; nothing new, or no book joined",
         lambda f: f.contradicts and (f.joining or f.end <= f.high), Verdict.RESET),
        ("no snapshot yet", _SYNCING, "nothing to continue", lambda f: f.last == NEVER, Verdict.BUFFER),
        ("duplicate", _READY, "`end <= last`", lambda f: f.end <= f.last, Verdict.IGNORE),
        ("continues", _READY, "`start <= last + 1` and `end > last`",
         lambda f: continues(f.start, f.end, f.last), Verdict.APPLY),
        ("hole", _READY, "`start > last + 1`", lambda f: f.last != NEVER and f.start > f.last + 1, Verdict.HOLD),
    ),
    Input.APPLIED: (
        ("crossed", _READY, "best bid above best ask (locked is not crossed)", lambda f: f.crossed, Verdict.CROSSED),
        ("overgrown", _READY, "more than `levels_max` levels on a side", lambda f: f.overgrown, Verdict.OVERGROWN),
        ("hole remains", _READY, "a delta came that the book does not reach: `high > last`",
         lambda f: f.waiting, Verdict.WAIT_HOLE),
        ("unconfirmed", _READY, "the stream still owes a sequence: `high < owed`",
         lambda f: f.high < f.owed, Verdict.WAIT_STREAM),
        ("old book", _READY, "it would be joined, and is of a count that the venue has left", lambda f: f.outdated,
         Verdict.OUTDATED),
        ("still silent", _READY, "nothing has been heard for `link_silence_max_ms`",
         lambda f: f.silent, Verdict.WAIT_STREAM),
        ("still unasked", _READY, "a probe has been unanswered for `probe_timeout_ms`",
         lambda f: f.unasked, Verdict.WAIT_STREAM),
        ("complete", _READY, "otherwise", _otherwise, Verdict.JOIN),
    ),
    Input.UNREADABLE: (
        ("our frame lost", _READY, "it belongs to this symbol", lambda f: f.ours, Verdict.SUSPECT),
        ("some frame lost", _READY, "nobody knows whose it was", lambda f: not f.ours, Verdict.QUESTION),
        ("not connected", _OUT, "otherwise", _otherwise, Verdict.DISCARD),
    ),
    Input.SNAPSHOT: (
        ("late answer", _OUT, "otherwise", _otherwise, Verdict.DISCARD),
        ("crossed snapshot", _READY, "crossed in itself", lambda f: f.crossed, Verdict.REJECT),
        ("hollow", _READY, "not one level in it, and the answer before was not like that", lambda f: f.hollow,
         Verdict.REJECT),
        ("old count", _READY, "after a reset, asked for before it and not far beyond, or known as a book before it",
         lambda f: f.void or f.outdated, Verdict.REJECT),
        ("near the old count", _SYNCING, "no book of the new count yet, nearer to the old `high` than to the new one",
         lambda f: NEVER not in (f.old_high, f.high)
         and abs(f.sequence - f.old_high) < abs(f.sequence - f.high), Verdict.REJECT),
        ("confirms", _SYNCING, "at `last`, nothing was heard or probed beyond it, not doubtful, the stream not mute",
         lambda f: f.sequence == f.last >= f.probed and f.whole and not (f.mute or f.doubtful or f.unsure),
         Verdict.CONFIRM),
        ("fell back while joining", _SYNCING,
         "as four before, in front of a hole with older arrivals behind it; not before `last`, or a delta was, too",
         lambda f: f.overtaken >= OLDER_MAX and f.sequence < f.first - 1 and (f.sequence >= f.last or f.overdue),
         Verdict.RESET),
        ("fell back unseen", _JOINED, "older than the copy again and again, and so was a delta never heard before",
         lambda f: f.sequence < f.copied and f.older >= OLDER_MAX and f.overdue, Verdict.RESET),
        ("was not ahead", _READY, "as four before, not beyond `last`; the venue was seen ahead, and the stream goes on",
         lambda f: f.behind and f.sequence <= f.last and f.refuted >= OLDER_MAX, Verdict.CONFIRM),
        ("older than the book", _SYNCING, "not beyond `last`, and the book is not doubtful",
         lambda f: f.sequence <= f.last and not f.doubtful, Verdict.REJECT),
        ("older than the stream", _SYNCING, "older than the first delta to be had - 1",
         lambda f: f.first != NEVER and f.sequence < f.first - 1, Verdict.REJECT),
        ("usable", _SYNCING, "otherwise", _otherwise, Verdict.ADOPT),
        ("newer than a stale book", _STALE, "beyond `last`, and the venue was seen ahead",
         lambda f: f.behind and f.sequence > f.last, Verdict.ADOPT),
        ("older than the copy", _JOINED, "older than the copy kept since it was asked for",
         lambda f: f.sequence < f.copied, Verdict.INCONCLUSIVE),
        ("ahead of the stream", _JOINED, "beyond `last`", lambda f: f.sequence > f.last, Verdict.AWAIT),
        ("comparable", _JOINED, "otherwise", _otherwise, Verdict.COMPARE),
    ),
    Input.COMPARED: (
        ("equal", _READY, "no level differs", lambda f: f.equal, Verdict.AGREE),
        ("different", _READY, "otherwise", _otherwise, Verdict.DIFFER),
    ),
    Input.PROBE: (
        ("asked of the old count", _READY, "asked for before the venue counted anew", lambda f: f.void,
         Verdict.DISCARD),
        ("venue is ahead", _READY, "beyond `last`", lambda f: f.sequence > f.last, Verdict.WATCH),
        ("venue counts anew", _JOINED, "below `last - reset_window`, and no delta came since it was asked for",
         lambda f: f.still and f.sequence < f.last - f.reset_window, Verdict.RESET),
        ("quiet join", _SYNCING, "at `last`, nothing was heard or probed beyond it, not doubtful, the stream not mute",
         lambda f: f.sequence == f.last >= f.probed and f.whole and not (f.mute or f.doubtful or f.unsure),
         Verdict.CONFIRM),
        ("tells nothing", frozenset(BookState), "otherwise", _otherwise, Verdict.DISCARD),
    ),
    Input.TIMER: (
        ("no delta comes", _SYNCING, "subscribed for `first_delta_wait_ms` without a delta",
         lambda f: f.first_delta, Verdict.ASK),
        ("hold over", _SYNCING, "a hole for `reorder_hold_ms` or `reorder_hold_frames`",
         lambda f: f.hold, Verdict.GAP),
        ("ahead too long", _SYNCING, "the stream has not reached the snapshot for `catch_up_ms` or `catch_up_frames`",
         lambda f: f.ahead, Verdict.DROP),
        ("unanswered", _READY, "a wish went unanswered for `snapshot_timeout_ms`",
         lambda f: f.unanswered, Verdict.ASK),
        ("audit over", _JOINED, "its snapshot stays ahead for `catch_up_ms` or `catch_up_frames`",
         lambda f: f.audit, Verdict.INCONCLUSIVE),
        ("link silent", _LIVE, "nothing heard for `link_silence_max_ms`", lambda f: f.link, Verdict.SILENT),
        ("venue stays ahead", _LIVE, "a probe was ahead for `probe_catch_up_ms`", lambda f: f.behind, Verdict.BEHIND),
        ("venue cannot be asked", _LIVE, "a probe went unanswered for `probe_timeout_ms`, and no delta came",
         lambda f: f.answer, Verdict.UNASKED),
        ("symbol silent", _READY, "no delta for `symbol_silence_ms`", lambda f: f.symbol, Verdict.QUESTION),
    ),
}  # fmt: skip  # one row of the table a line, or two: a fact a line would hide the table

RULES: Final = tuple(
    Rule(name, states, kind, condition, when, verdict)
    for kind, lines in _TABLE.items()
    for name, states, condition, when, verdict in lines
)
"""Every line, in the order in which they are tried."""


def _stay(*states: BookState) -> dict[BookState, BookState]:
    return {state: state for state in states}


_TO_SYNCING = dict.fromkeys(_READY, _S)
_ANY_TO: Final = {
    Verdict.LOSE: BookState.CONNECTING,
    Verdict.OPEN: BookState.SYNCING,
    Verdict.HALT: BookState.HALTED,
    Verdict.FAIL: BookState.FAILED,
    Verdict.CLOSE: BookState.CLOSED,
}

# By verdict: from which state to which. APPLY, IGNORE, BUFFER and ADOPT are settled by the rules "after applying".
NEXT: Final[dict[Verdict, dict[BookState, BookState]]] = {
    Verdict.RESET: _TO_SYNCING,
    Verdict.BUFFER: _stay(_S),
    Verdict.IGNORE: _stay(*_READY),
    Verdict.APPLY: _stay(*_READY),
    Verdict.HOLD: _TO_SYNCING,
    Verdict.DISCARD: _stay(*BookState),
    Verdict.CROSSED: _TO_SYNCING,
    Verdict.OVERGROWN: _TO_SYNCING,
    Verdict.OUTDATED: _TO_SYNCING,
    Verdict.WAIT_HOLE: _TO_SYNCING,
    Verdict.WAIT_STREAM: {_S: _S, _L: _T, _T: _T},
    Verdict.JOIN: dict.fromkeys(_READY, _L),
    Verdict.SUSPECT: _TO_SYNCING,
    Verdict.QUESTION: _stay(*_READY),
    Verdict.REJECT: _stay(*_READY),
    Verdict.ADOPT: {_S: _S, _T: _S},
    Verdict.CONFIRM: _stay(*_READY),
    Verdict.INCONCLUSIVE: _stay(_L, _T),
    Verdict.AWAIT: _stay(_L, _T),
    Verdict.COMPARE: _stay(_L, _T),
    Verdict.AGREE: _stay(*_READY),
    Verdict.DIFFER: _TO_SYNCING,
    Verdict.WATCH: _stay(*_READY),
    Verdict.ASK: _stay(*_READY),
    Verdict.GAP: _stay(_S),
    Verdict.DROP: _stay(_S),
    Verdict.SILENT: {_L: _T},
    Verdict.BEHIND: {_L: _T},
    Verdict.UNASKED: {_L: _T},
    **{
        verdict: {state: target for state in BookState if state is not BookState.CLOSED}
        for verdict, target in _ANY_TO.items()
    },
}


Index = dict[Input, dict[BookState, tuple[Rule, ...]]]
"""The lines that may apply, by input and state."""


def indexed(rules: Sequence[Rule]) -> Index:
    """Sort the table's lines by where they apply, keeping their order."""
    return {
        kind: {
            state: tuple(rule for rule in rules if rule.input is kind and state in rule.states) for state in BookState
        }
        for kind in Input
    }


INDEX: Final = indexed(RULES)
"""The library's own table."""


def decide(rules: Sequence[Rule], facts: Facts) -> Verdict:
    """What the first rule that fits says; ``rules`` are those of one input in one state.

    Raises:
        LookupError: No rule fits: the table has a hole (timers are judged one by one instead).
    """
    for rule in rules:
        if rule.when(facts):
            return rule.verdict
    raise LookupError(f"the table has no line for {facts}")
