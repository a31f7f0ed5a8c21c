"""Inputs that failed, as files: made smaller, told in one command, and kept for ever once they are mended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.fuzzing.bodies import Bodies
from tests.fuzzing.build import BUILT, ROOT
from tests.fuzzing.frames import Frames
from tests.fuzzing.recordings import Recordings
from tests.fuzzing.target import Disagreement, Target

REGRESSIONS: Final = Path(__file__).with_name("regressions")
FOUND: Final = BUILT / "found"
"""Where a failure is put. Not in the repository: it is moved to ``REGRESSIONS`` when what it found was mended."""
COMMAND: Final = "python -m tests.fuzzing"
SLOW_NS: Final = 1_000_000
"""More CPU time than this for a KiB begun is a failure: nobody may keep a reader busy."""

TARGETS: Final[dict[str, Callable[[], Target]]] = {
    Frames.name: Frames,
    Bodies.name: Bodies,
    Recordings.name: Recordings,
}


SCENARIOS: Final = {target.name: target.scenarios for target in (Frames, Bodies, Recordings)}
"""How many ways each has to begin."""


class Case(NamedTuple):
    """Inputs after one beginning, the last of which fails.

    Attributes:
        target: The name of the target.
        scenario: How it begins.
        inputs: One after the other.
        law: What was broken; see ``target.Disagreement``.
        detail: How it showed.
        comment: What it was, once that is known.
    """

    target: str
    scenario: int
    inputs: tuple[bytes, ...]
    law: str = ""
    detail: str = ""
    comment: str = ""

    def to_text(self) -> str:
        """A file; each byte of an input is one character."""
        return (
            json.dumps(self._asdict() | {"inputs": [data.decode("latin-1") for data in self.inputs]}, indent=1) + "\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Case:
        """Read such a file. Raises ``ValueError`` for anything else."""
        try:
            fields: dict[str, Any] = json.loads(text)
            inputs = tuple(data.encode("latin-1") for data in fields.pop("inputs"))
            case = cls(inputs=inputs, **fields)
            scenarios = SCENARIOS[case.target]
        except (TypeError, KeyError, AttributeError, UnicodeEncodeError) as error:
            raise ValueError(f"not a case: {error!r}") from None
        if not 0 <= case.scenario < scenarios:
            raise ValueError(f"not a case: {case.target} have no scenario {case.scenario}")
        return case


def run(case: Case) -> Disagreement | None:
    """Run it; what was broken, if anything was."""
    target = TARGETS[case.target]()
    target.begin(case.scenario)
    try:
        for data in case.inputs:
            target.take(data)
        target.close()
    except Disagreement as found:
        return found
    return None


def effort(case: Case, times: int = 5) -> float:
    """CPU time of its last input, in ns a KiB: the least of some runs, so that only the input has a part in it."""
    found = []
    for _ in range(times):
        target = TARGETS[case.target]()
        target.begin(case.scenario)
        try:
            *_, last = (target.take(data) for data in case.inputs)
        except Disagreement:
            return 0
        found.append(last.effort)
    return min(found)


def fails_alike(case: Case) -> Callable[[Case], bool]:
    """Whether another case breaks the same law."""

    def fails(other: Case) -> bool:
        if case.law == "slow":
            return effort(other) > SLOW_NS
        found = run(other)
        return found is not None and found.law == case.law

    return fails


def minimised(case: Case, fails: Callable[[Case], bool], probes_max: int) -> Case:
    """A smaller case that fails, too: fewer inputs first, then fewer bytes.

    Args:
        case: It fails.
        fails: Whether another one does.
        probes_max: How often that may be asked.

    Complexity: At most ``probes_max`` runs.
    """
    left = probes_max

    def still(inputs: tuple[bytes, ...]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and bool(inputs) and fails(case._replace(inputs=inputs))

    inputs: tuple[bytes, ...] = _shorter(case.inputs, still)
    for number in reversed(range(len(inputs))):
        before, after = inputs[:number], inputs[number + 1 :]
        part = _shorter(inputs[number], partial(_among, before, after, still))
        inputs = (*before, part, *after)
    return case._replace(inputs=inputs)


def _among(
    before: tuple[bytes, ...], after: tuple[bytes, ...], still: Callable[[tuple[bytes, ...]], bool], part: bytes
) -> bool:
    return still((*before, part, *after))


def _shorter(whole: Any, still: Callable[[Any], bool]) -> Any:
    """What is left when every piece, from half of it down to one, was left out that is not needed."""
    size = len(whole) // 2
    while size >= 1:
        at = 0
        while at < len(whole):
            part = whole[:at] + whole[at + size :]
            if still(part):
                whole = part
            else:
                at += size
        size //= 2
    return whole


def write(case: Case, folder: Path = FOUND) -> Path:
    """Put it into a file. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = blake2b(case.to_text().encode(), digest_size=4).hexdigest()
    path = folder / f"{case.target}-{case.law}-{digest}.json"
    path.write_text(case.to_text(), encoding="utf-8")
    return path


def reproduce(path: Path, *, sanitized: bool = False) -> str:
    """The one command that runs it again."""
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return shlex.join([*COMMAND.split(), *(["--sanitized"] if sanitized else []), "--case", str(where)])
