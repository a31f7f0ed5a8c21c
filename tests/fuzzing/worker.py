"""The process that runs inputs: one window of one target, told line by line on stdout.

It may die of an input. What it was given since the last beginning therefore stands in a file, which the campaign reads
then.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import mmap
import os
import resource
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tests.fuzzing.build import BUILT
from tests.fuzzing.cases import SLOW_NS, TARGETS, Case, effort, fails_alike, minimised, run, write
from tests.fuzzing.mutator import KEPT_MAX, Mutator
from tests.fuzzing.target import Disagreement, Target

NOTES_BYTES: Final = 2**25
FAILURES_MAX: Final = 5
"""A window ends with so many: they are probably one."""
PROBED_MAX: Final = 100_000
"""Inputs run to make a failure smaller."""
REPEATED_MAX: Final = 100
"""Inputs that are run again only to measure the last of them."""
MEMORY_MAX: Final = 256 * 2**20
"""How much a process may grow in a window."""
TOLD_EVERY_S: Final = 1.0
_HEAD: Final = struct.Struct("<III")
_LENGTH: Final = struct.Struct("<I")


class Notes:
    """The inputs since the last beginning, in a file that survives the process."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(NOTES_BYTES)
            self._map = mmap.mmap(file.fileno(), NOTES_BYTES)
        self.inputs: list[bytes] = []

    def begin(self, scenario: int) -> None:
        """Start anew."""
        self.scenario = scenario
        self.inputs.clear()
        self._end = _HEAD.size
        _HEAD.pack_into(self._map, 0, scenario, 0, self._end)

    def add(self, data: bytes) -> None:
        """One more, before it is run."""
        self.inputs.append(data)
        _LENGTH.pack_into(self._map, self._end, len(data))
        self._end += _LENGTH.size
        self._map[self._end : self._end + len(data)] = data
        self._end += len(data)
        _HEAD.pack_into(self._map, 0, self.scenario, len(self.inputs), self._end)

    @staticmethod
    def read(path: Path) -> tuple[int, tuple[bytes, ...]]:
        """What a process that died left: the scenario and the inputs."""
        whole = path.read_bytes()
        scenario, count, _ = _HEAD.unpack_from(whole, 0)
        at, inputs = _HEAD.size, []
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(whole, at)
            at += _LENGTH.size
            inputs.append(whole[at : at + length])
            at += length
        return scenario, tuple(inputs)


class Coverage:
    """What is new about an input: places of native code, where that is watched, and outcomes."""

    def __init__(self) -> None:
        path = os.environ.get("FUZZING_COVERAGE")
        self._library = ctypes.CDLL(path) if path else None
        self._features: set[str] = set()

    def is_new(self, feature: str) -> bool:
        """Whether anything since the last call was."""
        news = self._library is not None and bool(self._library.fuzzing_news())
        if feature in self._features:
            return news
        self._features.add(feature)
        return True

    @property
    def places(self) -> int:
        """Places reached."""
        return 0 if self._library is None else int(self._library.fuzzing_known())

    @property
    def features(self) -> int:
        """Outcomes seen."""
        return len(self._features)


class Window:
    """Inputs of one target and one seed."""

    def __init__(self, target: Target, seed: int, notes: Notes, corpus: Path | None, *, sanitized: bool) -> None:
        self._target = target
        self._notes = notes
        self._corpus = corpus
        self._sanitized = sanitized
        self._coverage = Coverage()
        self._mutator = Mutator(target, seed)
        self._outcomes = Counter[str]()
        self._slowest_ns = 0.0
        self._slowest = ""
        self._failures: list[str] = []
        self.done = 0
        self.stopped = False

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """End with the input in hand."""
        self.stopped = True

    def run(self, count: int) -> Iterator[dict[str, Any]]:
        """Run so many; now and then, and at last, what was done so far."""
        self._learn()
        gc.freeze()  # what is there now stays, and need not be looked at again
        self._begin()
        memory = _memory()
        told = time.monotonic()
        while self.done < count and not self.stopped and len(self._failures) < FAILURES_MAX:
            self._one(self._mutator.drawn())
            self.done += 1
            if self.done % 1_024 == 0:
                gc.collect(1)
                if time.monotonic() - told > TOLD_EVERY_S:
                    told = time.monotonic()
                    yield self.told()
        self._close()
        grown = max(0, _memory() - memory)
        if grown > MEMORY_MAX and not self._sanitized:
            self._fail(Disagreement("memory", f"the process grew by {grown >> 20} MiB"))
        self._remember()
        yield self.told() | {"last": True, "grown_mib": grown >> 20}

    def told(self) -> dict[str, Any]:
        """What was done so far."""
        return {
            "inputs": self.done,
            **{name: self._outcomes[name] for name in ("accepted", "refused")},
            "places": self._coverage.places,
            "outcomes": self._coverage.features,
            "kept": len(self._mutator.kept),
            "slowest_us_per_kib": round(self._slowest_ns / 1_000, 1),
            "slowest": self._slowest,
            "cpu_seconds": round(time.process_time()),
            "failures": list(self._failures),
        }

    def _learn(self) -> None:
        """Run what is known already, so that only what is new counts as new; what adds nothing is left out."""
        if self._corpus is not None and self._corpus.is_dir():
            self._mutator.kept += [path.read_bytes() for path in sorted(self._corpus.iterdir())[:KEPT_MAX]]
        self._seeds = len(self._target.seeds())
        known, self._mutator.kept = self._mutator.kept, []
        self._begin()
        for number, data in enumerate(known):
            if self._one(data) or number < self._seeds:
                self._mutator.kept.append(data)
        self._outcomes.clear()

    def _remember(self) -> None:
        if self._corpus is None:
            return
        self._corpus.mkdir(parents=True, exist_ok=True)
        for data in self._mutator.kept[self._seeds :]:
            (self._corpus / blake2b(data, digest_size=12).hexdigest()).write_bytes(data)

    def _begin(self) -> None:
        scenario = self._mutator.scenario()
        self._notes.begin(scenario)
        self._target.begin(scenario)

    def _close(self) -> None:
        try:
            self._target.close()
        except Disagreement as found:
            self._fail(found)

    def _one(self, data: bytes) -> bool:
        """Run one input; whether it was new."""
        if self._target.over:
            self._close()
            self._begin()
        self._notes.add(data)
        try:
            taken = self._target.take(data)
        except Disagreement as found:
            self._fail(found)
            self._begin()
            return False
        self._outcomes[taken.outcome] += 1
        per_kib = taken.effort
        # After a long history it costs too much to find out, unless it matters.
        if per_kib > self._slowest_ns and (len(self._notes.inputs) <= REPEATED_MAX or per_kib > SLOW_NS):
            self._measure(f"{taken.outcome}: {taken.feature}; {len(data)} bytes")
        if self._coverage.is_new(taken.feature):
            self._mutator.keep(data)
            return True
        return False

    def _measure(self, how: str) -> None:
        """It took longer than any before: again, so that only the input itself has a part in it."""
        case = Case(self._target.name, self._notes.scenario, tuple(self._notes.inputs), "slow")
        spent = effort(case)
        if spent > SLOW_NS and not self._sanitized:
            self._fail(Disagreement("slow", f"{spent / 1_000:.0f} us for each KiB"))
        if spent > self._slowest_ns:
            self._slowest_ns, self._slowest = spent, how

    def _fail(self, found: Disagreement) -> None:
        case = Case(self._target.name, self._notes.scenario, tuple(self._notes.inputs), found.law, found.detail)
        if found.law not in ("memory", "slow") and case.inputs:
            case = minimised(case, fails_alike(case), max(50, PROBED_MAX // len(case.inputs)))
            again = run(case)
            case = case._replace(detail=found.detail if again is None else again.detail)
        self._failures.append(str(write(case)))


def _memory() -> int:
    """Bytes that the process has ever needed at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Run a window, or one case: its exit code is 1 where that fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing.worker")
    parser.add_argument("--target", choices=sorted(TARGETS), default="frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=1_000)
    parser.add_argument("--notes", type=Path, default=BUILT / "notes")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--case", type=Path)
    given = parser.parse_args()
    if given.case is not None:
        case = Case.from_text(given.case.read_text(encoding="utf-8"))
        found = run(case)
        if found is None and case.law == "slow" and fails_alike(case)(case):
            found = Disagreement("slow", f"{effort(case) / 1_000:.0f} us")
        sys.stdout.write("it holds\n" if found is None else f"{found}\n")
        return 0 if found is None else 1
    sanitized = os.environ.get("FUZZING_BUILD") == "sanitized"
    window = Window(TARGETS[given.target](), given.seed, Notes(given.notes), given.corpus, sanitized=sanitized)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, window.stop)
    gc.disable()  # nothing that is measured shall be its work
    for told in window.run(given.inputs):
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
