"""Do planned faults strike? One that hardly ever does is not tested, however often it is planned.

``python -m tests.simulation.strikes 0 59`` runs the seeds of that range and prints, of each fault, in how many plans it
stands and in how many of these runs it struck; code 1 if that is less than ``SHARE_MIN`` of them for any.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from click import echo

from tests.simulation.case import Case, drawn
from tests.simulation.probing import outcome_of

SHARE_MIN: Final = 0.3
PLANS_MIN: Final = 5
"""Fewer plans of a fault say nothing."""


class Strikes(NamedTuple):
    """Of one fault: in how many plans it stands, and in how many of their runs it struck."""

    fault: str
    planned: int
    struck: int

    @property
    def is_rare(self) -> bool:
        """Whether it strikes too seldom."""
        return self.planned >= PLANS_MIN and self.struck < SHARE_MIN * self.planned


def strikes_of(cases: Iterable[Case]) -> list[Strikes]:
    """Run the cases; the rarest first."""
    planned: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    for case in cases:
        injected = outcome_of(case).injected
        names = {str(entry["fault"]) for entry in case.plan}
        planned.update(names)
        struck.update(names & injected.keys())
    found = [Strikes(name, count, struck[name]) for name, count in planned.items()]
    return sorted(found, key=lambda one: (one.struck / one.planned, one.fault))


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    first, last = map(int, arguments)
    found = strikes_of(drawn(seed) for seed in range(first, last + 1))
    for one in found:
        echo(f"{one.fault:20} {one.planned:4} {one.struck:4} {one.struck / one.planned:5.0%}")
    rare = [one.fault for one in found if one.is_rare]
    echo(f"{len(found)} faults; struck in less than {SHARE_MIN:.0%} of their plans: {', '.join(rare) or 'none'}")
    return 1 if rare else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
