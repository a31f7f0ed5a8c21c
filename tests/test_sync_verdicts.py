"""The table by itself: which wait says what, and where verdicts lead."""

from __future__ import annotations

from typing import Final

import pytest

from orderbook.sync.facts import Input, TimerFacts
from orderbook.sync.table import INDEX, NEXT, RULES, Verdict
from orderbook.types import BookState

S, L, T = BookState.SYNCING, BookState.LIVE, BookState.STALE
READY: Final = (S, L, T)
TIMER: Final = TimerFacts(*[False] * len(TimerFacts._fields))


@pytest.mark.parametrize(
    ("wait", "states", "expected"),
    [
        ("first_delta", {S}, Verdict.ASK),
        ("hold", {S}, Verdict.GAP),
        ("ahead", {S}, Verdict.DROP),
        ("unanswered", {S, L, T}, Verdict.ASK),
        ("audit", {L, T}, Verdict.INCONCLUSIVE),
        ("link", {L}, Verdict.SILENT),
        ("behind", {L}, Verdict.BEHIND),
        ("answer", {L}, Verdict.UNASKED),
        ("symbol", {S, L, T}, Verdict.QUESTION),
    ],
)
def test_each_wait_that_is_over_says_its_own(wait: str, states: set[BookState], expected: Verdict) -> None:
    """In the states where it matters, and alone."""
    facts = TIMER._replace(**{wait: True})
    for state in BookState:
        said = [rule.verdict for rule in INDEX[Input.TIMER][state] if rule.when(facts)]
        assert ([expected] if state in states else []) == said


TO_SYNCING: Final = dict.fromkeys(READY, S)
STAY: Final = {state: state for state in READY}
STAY_JOINED: Final = {L: L, T: T}
STAY_SYNCING: Final = {S: S}
WHERE: Final[dict[str, dict[BookState, BookState]]] = {
    **dict.fromkeys(
        ["RESET", "HOLD", "CROSSED", "OVERGROWN", "OUTDATED", "WAIT_HOLE", "SUSPECT", "DIFFER"], TO_SYNCING
    ),
    **dict.fromkeys(["IGNORE", "APPLY", "QUESTION", "REJECT", "CONFIRM", "AGREE", "WATCH", "ASK"], STAY),
    **dict.fromkeys(["BUFFER", "GAP", "DROP"], STAY_SYNCING),
    **dict.fromkeys(["INCONCLUSIVE", "AWAIT", "COMPARE"], STAY_JOINED),
    "SILENT": {L: T},
    "BEHIND": {L: T},
    "UNASKED": {L: T},
    "DISCARD": {state: state for state in BookState},
    "WAIT_STREAM": {S: S, L: T, T: T},
    "JOIN": dict.fromkeys(READY, L),
    "ADOPT": {S: S, T: S},
    **{
        name: {state: BookState[to] for state in BookState if state is not BookState.CLOSED}
        for name, to in (
            ("LOSE", "CONNECTING"),
            ("OPEN", "SYNCING"),
            ("HALT", "HALTED"),
            ("FAIL", "FAILED"),
            ("CLOSE", "CLOSED"),
        )
    },
}


@pytest.mark.parametrize("name", [verdict.name for verdict in Verdict])
def test_where_a_verdict_leads(name: str) -> None:
    """Only JOIN makes a book LIVE, a doubt takes LIVE away, and nothing leads out of CLOSED."""
    assert WHERE[name] == NEXT[Verdict[name]]


def test_every_rule_leads_somewhere() -> None:
    """A rule in a state that its verdict does not know would fail in the middle of an input."""
    for rule in RULES:
        assert rule.states <= set(NEXT[rule.verdict]), rule.name
