"""What no linter asks for: tests do not wait, and nothing is silenced without a reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_tree import ROOT
from tests.test_seams import uses

FOLDERS = ("orderbook", "snapshots", "tests", "benchmarks", "examples")

SLEEPERS = {
    "tests/waiting.py": "what all others use; it says which of it takes time",
    "tests/test_simulator_proxy.py": "stands in its place, and takes note",
    "tests/test_testing_time.py": "the line is quoted by the message under test",
}
"""Where a test may name the function, each with the reason."""

SILENCED = re.compile(r"# *(noqa|type: *ignore|pragma:|(?:ruff|mypy|pylint|fmt|isort): *\S)")
REASONED = re.compile(r"# (noqa: [A-Z0-9, ]+ - |type: ignore\[[a-z, -]+\]  # |fmt: skip  # )\w")
"""What is silenced, by its code, and why."""


def sources(*folders: str, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Path and text of each module there, also of the compiled ones."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py*")):
            if path.suffix in (".py", ".pyx", ".pxd", ".pyi"):
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def sleeps(text: str) -> list[int]:
    """The lines in which it could wait for the machine's time."""
    if "sleep" not in text:
        return []
    return [line for name, line in uses(ast.parse(text)) if name in ("time.sleep", "asyncio.sleep")]


def unreasoned(text: str) -> list[int]:
    """The lines that silence something and do not say what, or why."""
    lines = enumerate(text.splitlines(), start=1)
    return [number for number, line in lines if SILENCED.search(line) and not REASONED.search(line)]


def test_no_test_waits() -> None:
    """They let virtual time pass, or wait for what is to happen; and no exception stays longer than it is needed."""
    found = {path: lines for path, text in sources("tests") if (lines := sleeps(text))}
    assert SLEEPERS.keys() == found.keys()


def test_nothing_is_silenced_without_a_reason() -> None:
    """Neither a linter nor the type checker nor coverage, anywhere."""
    found = {path: lines for path, text in sources(*FOLDERS) if (lines := unreasoned(text))}
    assert {} == {path: lines for path, lines in found.items() if path != "tests/test_house_rules.py"}


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep\nsleep(1)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)",
        "from asyncio import sleep as nap\nasync def f():\n    await nap(1)",
    ],
)
def test_a_sleep_is_found(text: str) -> None:
    """Under each of its names."""
    assert 1 == len(sleeps(text))


@pytest.mark.parametrize(
    ("line", "is_reasoned"),
    [
        # Texts for the rule to judge: they silence nothing here.
        ("x = 1  # noqa", False),
        ("x = 1  # noqa: F401", False),
        ("x = 1  # noqa: F401 -", False),
        ("x = 1  # noqa: F401, E501 - it is what it is", True),
        ("x = 1  # type: ignore", False),
        ("x = 1  # type: ignore[arg-type]", False),
        ("x = 1  # type: ignore[arg-type, misc]  # it is what it is", True),
        ("x = 1  # pragma: no cover", False),
        ("# ruff: noqa", False),
        ("# fmt: off", False),
        (")  # fmt: skip", False),
        (")  # fmt: skip  # it is what it is", True),
        ("x = 1  # no quarrel here", True),
    ],
)
def test_a_reason_is_looked_for(line: str, *, is_reasoned: bool) -> None:
    """Beside the code of what is silenced."""
    assert ([] if is_reasoned else [1]) == unreasoned(line)
