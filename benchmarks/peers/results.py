"""From samples to cells: medians over rounds, of samples that were taken while the machine was quiet."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

NOISE: Final = 1.15
"""A sample is quiet if its calibration took at most so many times the best one of its interpreter."""
QUIET_MIN: Final = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One measure of one peer.

    Attributes:
        ns: Median over rounds of the round's median, CPU time of one unit.
        low, high: The fastest and the slowest round.
        rounds: How many there were.
        quiet: Whether only quiet samples were used; else all, which makes it look slower than it is.
    """

    ns: float
    low: float
    high: float
    rounds: int
    quiet: bool


@dataclass(slots=True)
class Results:
    """Everything that was found, of all peers and rounds.

    Attributes:
        samples: Of (peer, measure), a list of samples for each round.
        memory: Bytes a level, of each round.
        wrong: What disagreed with the reference, of (peer, measure).
        versions, notes: Of each peer.
        absent: Peers that could not be measured, and why.
    """

    samples: dict[tuple[str, str], list[list[tuple[float, float]]]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def add(self, peer: str, found: dict[str, Any]) -> None:
        """Take what one process found."""
        for measure, samples in found["samples"].items():
            self.samples.setdefault((peer, measure), []).append([(ns, calibration) for ns, calibration in samples])
        for name, value in found.get("numbers", {}).items():
            assert name == "memory", f"nobody asked for {name}"
            self.memory.setdefault(peer, []).append(value)
        for measure, problem in found.get("wrong", {}).items():
            self.wrong[peer, measure] = problem
        self.versions[peer], self.notes[peer] = found.get("version", ""), found.get("note", "")

    def cells(self) -> dict[tuple[str, str], Cell]:
        """One cell for each peer and measure."""
        best = min(
            (calibration for rounds in self.samples.values() for one in rounds for _, calibration in one), default=1
        )
        cells = {}
        for key, rounds in self.samples.items():
            quiet = [[ns for ns, calibration in one if calibration <= NOISE * best] for one in rounds]
            medians = [median(one) for one in quiet if len(one) >= QUIET_MIN]
            is_quiet = bool(medians)
            if not is_quiet:
                # As they are: compiled code slows down less than the interpreter that the machine is judged by.
                medians = [median([ns for ns, _ in one]) for one in rounds]
            cells[key] = Cell(median(medians), min(medians), max(medians), len(medians), is_quiet)
        return cells
