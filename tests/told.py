"""What a synchroniser tells, beside what it counts: the one may not be without the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from orderbook.events import (
    AuditFailed,
    AuditPassed,
    Crossed,
    Event,
    FrameRejected,
    Gap,
    LimitReached,
    NeedProbe,
    NeedSnapshot,
    SequenceReset,
)
from orderbook.sync.journal import SyncCounters

COUNTED: Final[Mapping[type[Event], Callable[[SyncCounters], int]]] = {
    Gap: lambda counters: counters.gaps,
    Crossed: lambda counters: counters.crossed,
    SequenceReset: lambda counters: counters.resets,
    FrameRejected: lambda counters: counters.rejected_count,
    NeedSnapshot: lambda counters: counters.snapshots_asked,
    NeedProbe: lambda counters: counters.probes_asked,
    AuditPassed: lambda counters: counters.audits - counters.audits_failed,
    AuditFailed: lambda counters: counters.audits_failed,
    LimitReached: lambda counters: counters.limits.total(),
}
"""What is told, and where it is counted."""


def miscounted(told: Counter[type[Event]], counters: SyncCounters) -> list[str]:
    """What was told more or less often than it was counted, in words."""
    return [
        f"{told[kind]} {kind.__name__} were told, and {counted(counters)} counted"
        for kind, counted in COUNTED.items()
        if told[kind] != counted(counters)
    ]
