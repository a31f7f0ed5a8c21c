"""What may be asked of a run, by what its plan says that goes wrong: which symbols nothing touches, and how long what.

The numbers follow from the library's settings; each says from which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orderbook.simulator.families import LIES
from orderbook.simulator.faults import FAULTS, Fault, FaultPlan, Point
from orderbook.simulator.source import Source
from orderbook.simulator.sparing import is_sparing
from orderbook.simulator.virtual_time import BEGIN_S
from tests.simulation.case import AUDIT_MS, CAP_MS, Case

BEGIN_NS: Final = int(BEGIN_S * 1e9)
HEALED_MS: Final = 10_000 + CAP_MS
"""Within this after the last fault every book is LIVE again."""
ASKED_MS: Final = 31_500
"""No book may be read that lacks what the venue did so long ago: a silent symbol is asked about after
``symbol_silence_ms`` (30 s) at the latest, the stream has ``probe_catch_up_ms`` (1 s) to catch up, and the question
takes its way."""
UNASKED_MS: Final = 43_000
"""The same while the venue may not answer: the question has ``probe_timeout_ms`` (10 s) for it."""
NOTICED_MS: Final = 6_000
"""The same of a symbol whose usual gaps are known, beside twice ``silence_gaps`` (20) of them: it is unusual after
``silence_min_ms`` (2 s), is looked for every 2.5 s, and then as above."""
LEARNT_MS: Final = 20_000
"""What is usual is known so long after the beginning."""
RECOVERY_MS: Final = 3_000
"""A book that is not LIVE is so again, when the stream is whole and the venue answers: a hole is waited for
(``reorder_hold_ms``, 20), a snapshot that came too early or too late is asked for again (``snapshot_retry_ms``, 250 and
500), and the stream has ``catch_up_ms`` (2 s) to reach it."""
RETRY_MAX_MS: Final = 8_000
"""``snapshot_retry_max_ms``: who was in vain for long may wait so long for the next attempt, and no longer."""
SLOW_MS: Final = 7_000
"""A symbol that hardly moves is confirmed by answers alone: they are ``probe_interval_ms`` (5 s) apart, and what the
stream does not reach is given up after ``catch_up_ms``."""
SLOW_RATE: Final = 2.0
"""Deltas a second below which a symbol hardly moves."""
NEVER_MS: Final = 10**9
_TAIL_MS: Final = 10_000
"""``rest_timeout_ms``: a request that was begun while nobody answered is given up so much later."""
_EFFECTS: Final = ("ms", "jitter_ms", "hold_ms")
_LIES: Final = frozenset(template.fault for templates in LIES.values() for template in templates)
_OF_THE_LINK: Final = frozenset({"oversize"})
"""Faults of deltas that end the connection."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be asked of one run. Moments are ns of the virtual clock.

    Attributes:
        untouched: Symbols that nothing of the plan touches.
        is_plain: All that goes wrong is what the stream brings: the link stays, and the venue answers.
        unanswered: From when to when the venue may not answer.
        effect_ms: How late what a fault held back may come, or is missed.
        muted: Of which symbols nothing comes (``None``: of all), from when to when.
        rate: Deltas a second of each symbol.
        lies_end_ns: When the last lie is told; ``None``: there are none.
        false_answers: From when to when snapshots may lie: an audit by one of them may well agree with a wrong book.
        lie_ms: How long a lie may go unnoticed after that.
        shuffled: Into how many holes one fault may make the stream.
        falls_back_unseen: The venue may begin to count anew so near that nothing tells before the symbol's next delta.
            After it, audits that were refused for older answers may wait for ``snapshot_retry_max_ms``.
    """

    untouched: frozenset[str] = frozenset()
    is_plain: bool = False
    unanswered: tuple[tuple[int, int], ...] = ()
    effect_ms: int = 0
    muted: tuple[tuple[frozenset[str] | None, int, int], ...] = ()
    rate: float = 1.0
    lies_end_ns: int | None = None
    false_answers: tuple[tuple[int, int], ...] = ()
    lie_ms: int = 0
    shuffled: int = 1
    falls_back_unseen: bool = False

    def fresh_ms(self, now_ns: int) -> int:
        """How old what a readable book lacks may be."""
        since_ns = now_ns - UNASKED_MS * 1_000_000
        is_unsure = any(begin_ns <= now_ns and end_ns >= since_ns for begin_ns, end_ns in self.unanswered)
        if is_unsure:
            return UNASKED_MS
        if self.is_plain and self.rate >= SLOW_RATE and now_ns >= BEGIN_NS + LEARNT_MS * 1_000_000:
            return min(ASKED_MS, NOTICED_MS + int(40_000 / self.rate) + self.effect_ms)
        return ASKED_MS

    def is_unseen(self, source: Source) -> bool:
        """Whether a readable book need not know in which count the venue is."""
        return self.falls_back_unseen and source.is_anew

    def is_excused(self, since_ns: int, now_ns: int) -> bool:
        """Whether a book that is wrong since then may still be so: only for a lie, until the next audit of it."""
        if self.lies_end_ns is None:
            return False
        for begin_ns, end_ns in self.false_answers:
            if begin_ns <= now_ns and end_ns > since_ns:
                since_ns = min(end_ns, now_ns)
        return now_ns - since_ns <= self.lie_ms * 1_000_000 and since_ns <= self.lies_end_ns + self.lie_ms * 1_000_000

    def calm_ns(self, symbol: str, begin_ns: int, end_ns: int) -> int:
        """How much of that time the symbol was not mute."""
        muted = sorted((begin, end) for symbols, begin, end in self.muted if symbols is None or symbol in symbols)
        calm_ns = 0
        for begin, end in (*muted, (end_ns, end_ns)):
            calm_ns += max(0, min(begin, end_ns) - begin_ns)
            begin_ns = max(begin_ns, end)
        return calm_ns

    @property
    def healed_ms(self) -> int:
        """Within this after the last fault every book is LIVE again."""
        return self.recovery_ms + RETRY_MAX_MS if self.is_plain and self.rate >= SLOW_RATE else HEALED_MS

    @property
    def recovery_ms(self) -> int:
        """How long a book may be lost after the last fault that struck its stream, in a plain run."""
        return RECOVERY_MS + self.effect_ms + (SLOW_MS if self.rate < SLOW_RATE else 0)


UNKNOWN: Final = Terms(unanswered=((0, 2**63),))
"""Of a run in which anything may happen that no plan tells of."""


def terms_of(case: Case, rate: float) -> Terms:
    """The terms of a run.

    Args:
        case: The run.
        rate: Deltas a second of each symbol.
    """
    faults = FaultPlan(case.plan).faults
    touched: set[str] = set()
    for fault in faults:
        touched |= (fault.symbols or set()) if is_sparing(fault) else set(case.symbols)
    begin_ns = BEGIN_NS
    lies = [fault for fault in faults if fault.name in _LIES]
    # A book of a count that was left is wrong from the next delta on, whenever that comes.
    ends = [NEVER_MS if fault.name == "sequence_reset" else _ends_ms(fault, case) for fault in lies]
    falls_back_unseen = case.lies and any(fault.name == "sequence_reset" for fault in lies)
    return Terms(
        untouched=frozenset(case.symbols) - touched if case.plan else frozenset(),
        is_plain=all(FAULTS[fault.name].point is Point.DELTA and fault.name not in _OF_THE_LINK for fault in faults),
        unanswered=tuple(
            (begin_ns + fault.at_ms * 1_000_000, begin_ns + (_ends_ms(fault, case) + _TAIL_MS) * 1_000_000)
            for fault in faults
            if fault.point in (Point.REST, Point.BOOK) or fault.name in ("maintenance", "clock_skew", "delist")
        ),
        effect_ms=max((_effect_ms(fault, rate) for fault in faults), default=0),
        muted=tuple(
            (fault.symbols, begin_ns + fault.at_ms * 1_000_000, begin_ns + _ends_ms(fault, case) * 1_000_000)
            for fault in faults
            if fault.name == "mute"
        ),
        rate=rate,
        lies_end_ns=begin_ns + max(ends, default=0) * 1_000_000 if case.lies else None,
        false_answers=tuple(
            sorted(
                (begin_ns + fault.at_ms * 1_000_000, begin_ns + _ends_ms(fault, case) * 1_000_000)
                for fault in lies
                if fault.point is Point.BOOK
            )
        ),
        falls_back_unseen=falls_back_unseen,
        lie_ms=AUDIT_MS * len(case.symbols) + RECOVERY_MS + falls_back_unseen * RETRY_MAX_MS,
        shuffled=max((int(fault.knobs.get("window") or 1) for fault in faults), default=1),
    )


def _ends_ms(fault: Fault, case: Case) -> int:
    """When the last of it is over, in ms since the run began."""
    if fault.point is Point.MOMENT:
        last_ms = fault.at_ms + (fault.every_ms or 0) * ((fault.times or 1) - 1)
        # A clock stays as it was set, until it is set right.
        return case.duration_ms if fault.name == "clock_skew" else last_ms + int(fault.knobs.get("ms") or 0)
    acts_ms = sum(int(fault.knobs.get(name) or 0) for name in ("ms", "jitter_ms", "reset_ms"))
    return case.duration_ms if fault.for_ms is None else fault.at_ms + fault.for_ms + acts_ms


def _effect_ms(fault: Fault, rate: float) -> int:
    if fault.point is not Point.DELTA:
        return 0
    # A row of lost messages is as long as they take, and they come in groups.
    row_ms = 3_000 * (int(fault.knobs.get("run") or 1) - 1) / rate
    return int(row_ms) + sum(int(fault.knobs.get(name) or 0) for name in _EFFECTS)
