"""The table by itself: at the last sequence where a rule holds, and at the first where it does not."""

from __future__ import annotations

from typing import Any, Final

import pytest

from orderbook.sync.facts import (
    NEVER,
    AppliedFacts,
    ComparedFacts,
    DeltaFacts,
    Facts,
    Input,
    ProbeFacts,
    SnapshotFacts,
    UnreadableFacts,
)
from orderbook.sync.table import INDEX, OLDER_MAX, RULES, Verdict, continues, decide
from orderbook.types import BookState

S, L, T = BookState.SYNCING, BookState.LIVE, BookState.STALE
READY: Final = (S, L, T)
OUT: Final = (BookState.CONNECTING, BookState.HALTED, BookState.FAILED, BookState.CLOSED)

# A book at 1,000 that has seen all that was sent; what a case says otherwise comes on top.
DELTA: Final = DeltaFacts(
    1_001, 1_001, last=1_000, high=1_000, reset_window=64, repeats=False, contradicts=False, joining=False
)
APPLIED: Final = AppliedFacts(
    crossed=False, overgrown=False, waiting=False, outdated=False, high=1_000, owed=NEVER, silent=False, unasked=False
)
SNAPSHOT: Final = SnapshotFacts(
    sequence=1_000,
    crossed=False,
    hollow=False,
    whole=True,
    first=1_001,
    last=1_000,
    copied=1_000,
    older=0,
    overdue=False,
    high=1_000,
    old_high=NEVER,
    outdated=False,
    void=False,
    overtaken=0,
    behind=False,
    refuted=0,
    mute=False,
    doubtful=False,
    unsure=False,
    probed=NEVER,
)
PROBE: Final = ProbeFacts(
    1_000,
    last=1_000,
    reset_window=64,
    whole=True,
    still=True,
    void=False,
    mute=False,
    doubtful=False,
    unsure=False,
    probed=NEVER,
)


def verdict(kind: Input, state: BookState, facts: Facts) -> Verdict:
    """What the library's table says."""
    return decide(INDEX[kind][state], facts)


# -- deltas --


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (999, 999, Verdict.IGNORE),
        (990, 1_000, Verdict.IGNORE),
        (990, 1_001, Verdict.APPLY),
        (1_000, 1_001, Verdict.APPLY),
        (1_001, 1_001, Verdict.APPLY),
        (1_001, 1_005, Verdict.APPLY),
        (1_002, 1_002, Verdict.HOLD),
        (1_002, 1_005, Verdict.HOLD),
        (5_000, 5_000, Verdict.HOLD),
    ],
)
@pytest.mark.parametrize("state", READY)
def test_a_delta_beside_a_book_at_1000(state: BookState, start: int, end: int, expected: Verdict) -> None:
    """Up to ``last`` a duplicate, from ``last + 1`` or earlier to beyond ``last`` the continuation, later a hole."""
    assert expected is verdict(Input.DELTA, state, DELTA._replace(start=start, end=end))
    assert (expected is Verdict.APPLY) == continues(start, end, 1_000)


@pytest.mark.parametrize("window", [0, 1, 64])
@pytest.mark.parametrize("state", READY)
def test_a_delta_is_a_reset_only_when_it_ends_more_than_the_window_below_the_highest(
    state: BookState, window: int
) -> None:
    """It counts from the highest sequence heard, wherever the book is."""
    facts = DELTA._replace(start=1, high=1_100, reset_window=window)
    assert Verdict.RESET is verdict(Input.DELTA, state, facts._replace(end=1_100 - window - 1))
    assert Verdict.RESET is not verdict(Input.DELTA, state, facts._replace(end=1_100 - window))
    repeated = facts._replace(end=1_100 - window - 1, repeats=True)
    assert Verdict.IGNORE is verdict(Input.DELTA, state, repeated)


@pytest.mark.parametrize("state", READY)
def test_a_delta_that_contradicts_is_a_reset_and_one_that_repeats_is_not(state: BookState) -> None:
    """Wherever the book is, unless it goes on beyond what was heard: then an audit tells, if a book is joined."""
    for end, high in ((1_000, 1_000), (1_001, 1_001), (1_001, 1_002)):
        facts = DELTA._replace(end=end, high=high, contradicts=True)
        assert Verdict.RESET is verdict(Input.DELTA, state, facts)
        assert Verdict.IGNORE is verdict(Input.DELTA, state, facts._replace(repeats=True))
        assert Verdict.RESET is not verdict(Input.DELTA, state, facts._replace(end=high + 1))
        assert Verdict.RESET is verdict(Input.DELTA, state, facts._replace(end=high + 1, joining=True))


def test_a_delta_without_a_book_is_kept_while_syncing_and_impossible_otherwise() -> None:
    """A LIVE book without a content would be a bug, and is told as one. Sequence 0 is one like any other."""
    facts = DELTA._replace(last=NEVER, high=NEVER)
    assert Verdict.BUFFER is verdict(Input.DELTA, S, facts)
    assert Verdict.BUFFER is verdict(Input.DELTA, S, facts._replace(start=0, end=0))
    assert Verdict.APPLY is verdict(Input.DELTA, S, facts._replace(start=1, end=1, last=0))
    assert Verdict.IGNORE is verdict(Input.DELTA, S, facts._replace(start=0, end=0, last=0, high=0))
    for state in (L, T):
        with pytest.raises(LookupError):
            verdict(Input.DELTA, state, facts)


# -- the book after applying --


@pytest.mark.parametrize("state", READY)
def test_what_keeps_a_book_from_being_live_in_order_of_weight(state: BookState) -> None:
    """A wrong book is given up before a hole is waited for, and a hole before the stream's word."""
    worst = AppliedFacts(
        crossed=True, overgrown=True, waiting=True, outdated=True, high=1_000, owed=1_001, silent=True, unasked=True
    )
    steps: list[tuple[dict[str, Any], Verdict]] = [
        ({}, Verdict.CROSSED),
        ({"crossed": False}, Verdict.OVERGROWN),
        ({"overgrown": False}, Verdict.WAIT_HOLE),
        ({"waiting": False}, Verdict.WAIT_STREAM),
        ({"owed": 1_000}, Verdict.OUTDATED),
        ({"outdated": False}, Verdict.WAIT_STREAM),
        ({"silent": False}, Verdict.WAIT_STREAM),
        ({"unasked": False}, Verdict.JOIN),
    ]
    for change, expected in steps:
        worst = worst._replace(**change)
        assert expected is verdict(Input.APPLIED, state, worst)


@pytest.mark.parametrize(("owed", "expected"), [(999, "JOIN"), (1_000, "JOIN"), (1_001, "WAIT_STREAM")])
@pytest.mark.parametrize("state", READY)
def test_the_stream_must_show_what_it_owes(state: BookState, owed: int, expected: str) -> None:
    """And not one more."""
    assert Verdict[expected] is verdict(Input.APPLIED, state, APPLIED._replace(owed=owed))


# -- frames that cannot be read --


@pytest.mark.parametrize("state", READY)
def test_a_lost_frame_is_ours_or_in_question(state: BookState) -> None:
    """Only its own loss ends LIVE."""
    assert Verdict.SUSPECT is verdict(Input.UNREADABLE, state, UnreadableFacts(ours=True))
    assert Verdict.QUESTION is verdict(Input.UNREADABLE, state, UnreadableFacts(ours=False))


@pytest.mark.parametrize("state", OUT)
def test_a_withheld_book_takes_nothing(state: BookState) -> None:
    """Neither frames nor answers."""
    assert Verdict.DISCARD is verdict(Input.DELTA, state, DELTA)
    assert Verdict.DISCARD is verdict(Input.UNREADABLE, state, UnreadableFacts(ours=True))
    assert Verdict.DISCARD is verdict(Input.SNAPSHOT, state, SNAPSHOT)
    assert Verdict.DISCARD is verdict(Input.PROBE, state, PROBE._replace(sequence=1))
    assert () == INDEX[Input.TIMER][state]


# -- snapshots --


@pytest.mark.parametrize("state", READY)
def test_a_snapshot_that_cannot_be_right_is_rejected_first(state: BookState) -> None:
    """Crossed in itself, or suddenly empty; whatever its sequence."""
    for sequence in (1, 1_000, 1_001):
        facts = SNAPSHOT._replace(sequence=sequence, behind=True)
        assert Verdict.REJECT is verdict(Input.SNAPSHOT, state, facts._replace(crossed=True))
        assert Verdict.REJECT is verdict(Input.SNAPSHOT, state, facts._replace(hollow=True))


@pytest.mark.parametrize(
    ("first", "sequence", "expected"),
    [
        (1_010, 1_008, Verdict.REJECT),
        (1_010, 1_009, Verdict.ADOPT),
        (1_010, 1_010, Verdict.ADOPT),
        (1_010, 9_999, Verdict.ADOPT),
        (NEVER, 1_001, Verdict.ADOPT),
        (NEVER, 0, Verdict.REJECT),
        (0, 1_001, Verdict.ADOPT),
    ],
)
def test_a_snapshot_is_usable_from_one_before_the_first_delta_to_be_had(
    first: int, sequence: int, expected: Verdict
) -> None:
    """Then the stream continues it without a hole; and it must say more than the book that is there."""
    facts = SNAPSHOT._replace(sequence=sequence, first=first, whole=False, high=1_020)
    assert expected is verdict(Input.SNAPSHOT, S, facts)


def test_without_a_book_only_the_first_delta_decides() -> None:
    """Sequence 0 included."""
    facts = SNAPSHOT._replace(last=NEVER, whole=False, high=5)
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=0, first=1))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=0, first=NEVER))
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=0, first=2))
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=3, first=5))


def test_a_snapshot_that_says_nothing_new_is_rejected_unless_the_book_is_doubtful() -> None:
    """A book whose own snapshot the stream never met is no measure for others."""
    facts = SNAPSHOT._replace(whole=False, first=900)
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=999))
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts)
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=1_001))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(doubtful=True))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=999, doubtful=True))


@pytest.mark.parametrize("sequence", [1_001, 999])
def test_only_an_answer_at_the_very_sequence_confirms(sequence: int) -> None:
    """One beside it says something else."""
    assert Verdict.CONFIRM is verdict(Input.SNAPSHOT, S, SNAPSHOT)
    assert Verdict.CONFIRM is verdict(Input.PROBE, S, PROBE)
    assert Verdict.CONFIRM is not verdict(Input.SNAPSHOT, S, SNAPSHOT._replace(sequence=sequence))
    assert Verdict.CONFIRM is not verdict(Input.PROBE, S, PROBE._replace(sequence=sequence))


@pytest.mark.parametrize(
    "doubt",
    [{"whole": False}, {"mute": True}, {"doubtful": True}, {"unsure": True}, {"probed": 1_001}, {"probed": 5_000}],
)
def test_an_answer_confirms_only_without_any_doubt(doubt: dict[str, Any]) -> None:
    """Nothing heard or probed beyond the book, no lost frame, and no snapshot from elsewhere."""
    assert Verdict.CONFIRM is not verdict(Input.SNAPSHOT, S, SNAPSHOT._replace(**doubt))
    assert Verdict.CONFIRM is not verdict(Input.PROBE, S, PROBE._replace(**doubt))
    for probed in (NEVER, 999, 1_000):
        assert Verdict.CONFIRM is verdict(Input.SNAPSHOT, S, SNAPSHOT._replace(probed=probed))
        assert Verdict.CONFIRM is verdict(Input.PROBE, S, PROBE._replace(probed=probed))


@pytest.mark.parametrize(
    ("old_high", "sequence", "expected"),
    [
        (1_000, 549, Verdict.ADOPT),
        (1_000, 550, Verdict.ADOPT),
        (1_000, 551, Verdict.REJECT),
        (1_001, 550, Verdict.ADOPT),
        (1_001, 551, Verdict.REJECT),
        (1_000, 1_000, Verdict.REJECT),
        (1_000, 1_500, Verdict.REJECT),
    ],
)
def test_after_a_reset_an_answer_nearer_to_the_old_count_is_of_the_old_count(
    old_high: int, sequence: int, expected: Verdict
) -> None:
    """The new count is at 100. Half-way an answer is believed, the stream will show; without a reset nothing is old.

    So is what is known as such; and before a delta of the new count nothing is near to it.
    """
    facts = SNAPSHOT._replace(sequence=sequence, first=50, last=NEVER, high=100, old_high=old_high, whole=False)
    assert expected is verdict(Input.SNAPSHOT, S, facts)
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(outdated=True))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(high=NEVER))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts._replace(old_high=NEVER))
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=100, void=True))
    assert Verdict.REJECT is verdict(Input.SNAPSHOT, S, facts._replace(sequence=100, old_high=NEVER, void=True))


def test_a_low_count_is_not_taken_for_an_old_one() -> None:
    """Without a reset, an early snapshot is as far from "never" as it happens to be."""
    facts = SNAPSHOT._replace(sequence=2, first=3, last=NEVER, high=10, whole=False)
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, S, facts)


@pytest.mark.parametrize("state", [L, T])
@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (989, Verdict.INCONCLUSIVE),
        (990, Verdict.COMPARE),
        (999, Verdict.COMPARE),
        (1_000, Verdict.COMPARE),
        (1_001, Verdict.AWAIT),
    ],
)
def test_a_snapshot_of_a_joined_book_is_compared_between_the_copy_and_the_book(
    state: BookState, sequence: int, expected: Verdict
) -> None:
    """Older than the copy it cannot be, newer than the stream it has to wait."""
    facts = SNAPSHOT._replace(sequence=sequence, copied=990)
    assert expected is verdict(Input.SNAPSHOT, state, facts)
    if state is L:
        assert expected is verdict(Input.SNAPSHOT, state, facts._replace(behind=True))


@pytest.mark.parametrize(
    ("older", "overdue", "sequence", "expected"),
    [
        (4, True, 989, Verdict.RESET),
        (3, True, 989, Verdict.INCONCLUSIVE),
        (9, False, 989, Verdict.INCONCLUSIVE),
        (4, True, 990, Verdict.COMPARE),
    ],
)
@pytest.mark.parametrize("state", [L, T])
def test_the_fifth_answer_older_than_the_copy_means_a_reset_where_a_delta_was_overdue(
    state: BookState, older: int, overdue: bool, sequence: int, expected: Verdict
) -> None:
    """One of the two alone is a cache, or a reordering."""
    facts = SNAPSHOT._replace(sequence=sequence, copied=990, older=older, overdue=overdue)
    assert expected is verdict(Input.SNAPSHOT, state, facts)


def test_a_stale_book_takes_a_newer_snapshot_only_when_the_venue_was_seen_ahead() -> None:
    """Merely silent, it waits for the stream."""
    facts = SNAPSHOT._replace(behind=True)
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, T, facts._replace(sequence=1_001))
    assert Verdict.COMPARE is verdict(Input.SNAPSHOT, T, facts._replace(sequence=1_000))
    assert Verdict.AWAIT is verdict(Input.SNAPSHOT, T, facts._replace(sequence=1_001, behind=False))
    for sequence in (999, 1_000):  # the fifth that is not newer tells that the venue was not ahead
        refuting = facts._replace(sequence=sequence, refuted=OLDER_MAX)
        assert Verdict.CONFIRM is verdict(Input.SNAPSHOT, T, refuting)
        assert Verdict.CONFIRM is not verdict(Input.SNAPSHOT, T, refuting._replace(refuted=OLDER_MAX - 1))
        assert Verdict.CONFIRM is not verdict(Input.SNAPSHOT, T, refuting._replace(behind=False))
    assert Verdict.ADOPT is verdict(Input.SNAPSHOT, T, facts._replace(sequence=1_001, refuted=OLDER_MAX))


@pytest.mark.parametrize("state", READY)
def test_an_audit_agrees_or_differs(state: BookState) -> None:
    """There is no third."""
    assert Verdict.AGREE is verdict(Input.COMPARED, state, ComparedFacts(equal=True))
    assert Verdict.DIFFER is verdict(Input.COMPARED, state, ComparedFacts(equal=False))


# -- probes --


@pytest.mark.parametrize("state", READY)
def test_a_venue_ahead_by_one_is_ahead(state: BookState) -> None:
    """At the book's own sequence, or below it, it is not."""
    assert Verdict.WATCH is verdict(Input.PROBE, state, PROBE._replace(sequence=1_001, still=False))
    for sequence in (1_000, 999):
        assert Verdict.WATCH is not verdict(Input.PROBE, state, PROBE._replace(sequence=sequence))


@pytest.mark.parametrize("state", [L, T])
def test_a_probe_counts_anew_only_below_the_window_and_in_a_still_stream(state: BookState) -> None:
    """Within the window, or with deltas since the question, the answer is only old."""
    assert Verdict.RESET is verdict(Input.PROBE, state, PROBE._replace(sequence=935))
    assert Verdict.DISCARD is verdict(Input.PROBE, state, PROBE._replace(sequence=936))
    assert Verdict.DISCARD is verdict(Input.PROBE, state, PROBE._replace(sequence=935, still=False))
    assert Verdict.DISCARD is verdict(Input.PROBE, state, PROBE)
    assert Verdict.DISCARD is verdict(Input.PROBE, S, PROBE._replace(sequence=1))


# -- lines by themselves --


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("hole", DELTA._replace(start=1_001), False),
        ("hole", DELTA._replace(start=1_002), True),
        ("hole", DELTA._replace(start=1_002, last=NEVER), False),
        ("duplicate", DELTA._replace(end=1_000), True),
        ("duplicate", DELTA._replace(end=1_001), False),
        ("continues", DELTA._replace(start=1_000, end=1_000), False),
        ("continues", DELTA._replace(start=1_000, end=1_001), True),
        ("continues", DELTA._replace(start=1_002, end=1_002), False),
        ("some frame lost", UnreadableFacts(ours=True), False),
        ("fell back while joining", SNAPSHOT._replace(overtaken=OLDER_MAX - 1, first=1_002), False),
        ("fell back while joining", SNAPSHOT._replace(overtaken=OLDER_MAX, first=1_002), True),
        ("fell back while joining", SNAPSHOT._replace(overtaken=OLDER_MAX, first=1_001), False),
        ("fell back while joining", SNAPSHOT._replace(overtaken=OLDER_MAX, first=1_002, last=1_001), False),
        ("older than the book", SNAPSHOT._replace(sequence=1_001), False),
        ("ahead of the stream", SNAPSHOT, False),
    ],
)
def test_a_line_means_what_it_says_whatever_stands_above_it(name: str, facts: Facts, expected: bool) -> None:
    """So the order of two lines can be read without the others."""
    (rule,) = (rule for rule in RULES if rule.name == name)
    assert expected is rule.when(facts)
