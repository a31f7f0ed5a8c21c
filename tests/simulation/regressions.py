"""Runs as files: what failed once is kept for ever, and one command makes any run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.simulation.case import Case
from tests.simulation.oracle import Breach

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REGRESSIONS: Final = ROOT / "tests" / "regressions"
FOUND: Final = ROOT / "build" / "simulation"
"""Where the case of a failure is put. Not in the repository: it is moved to ``REGRESSIONS`` when it was shrunk."""
COMMAND: Final = "python -m tests.simulation"


class Kept(NamedTuple):
    """A run from a file.

    Attributes:
        case: The run.
        comment: What it was, in words.
        breach: What it broke when it was kept; ``None`` where the file does not say so.
        replay: Whether what it received is replayed, too.
    """

    case: Case
    comment: str = ""
    breach: Breach | None = None
    replay: bool = False


def to_text(kept: Kept) -> str:
    """The file: that of the case with what else is known in front, an entry of the plan a line."""
    more: dict[str, object] = {"comment": kept.comment}
    if kept.breach is not None:
        more["breach"] = kept.breach._asdict()
    if kept.replay:
        more["replay"] = True
    return f"{json.dumps(more)[:-1]},\n {kept.case.to_json().removeprefix('{')}"


def from_text(text: str) -> Kept:
    """Read such a file, or that of a case alone. Raises ``ValueError`` for what is neither."""
    try:
        read: dict[str, Any] = json.loads(text)
        comment, breach, replay = (read.pop(name, None) for name in ("comment", "breach", "replay"))
        return Kept(
            Case.from_json(json.dumps(read)), comment or "", None if breach is None else Breach(**breach), bool(replay)
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a case: {error}") from None


def regressions(folder: Path = REGRESSIONS) -> list[Path]:
    """The files of every run that failed once, by name."""
    return sorted(folder.glob("*.json"))


def write(path: Path, kept: Kept) -> Path:
    """Keep a run under this path. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_text(kept), encoding="utf-8")
    return path


def name_of(case: Case) -> str:
    """A name for the file of a case: two cases that are not equal have not the same."""
    return f"seed-{case.seed}-{blake2b(case.to_json().encode(), digest_size=4).hexdigest()}"


def reproduce(
    case: Case,
    breaches: Iterable[Breach] = (),
    *,
    replay: bool = False,
    planted: str | None = None,
    folder: Path = FOUND,
) -> str:
    """The one command that makes this run again; what it needs is written to a file.

    The seed alone would not do: it draws another plan as soon as the catalogue of faults grows.

    Args:
        case: The run.
        breaches: What it broke.
        replay: Whether what it received was replayed, too.
        planted: The name of the wrong engine that was run, if one was.
        folder: For the file.

    Raises:
        OSError: The file cannot be written.
    """
    first = min(breaches, key=lambda breach: breach.at_ns, default=None)
    comment = "a drawn plan" if first is None else f"{first.law}: {first.what}"
    path = write(folder / f"{name_of(case)}.json", Kept(case, comment, first, replay))
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    more = ["--replay"] if replay else []
    more += ["--planted", planted] if planted is not None else []
    return shlex.join([*COMMAND.split(), "run", "--case", str(where), *more])
