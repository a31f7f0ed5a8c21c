"""The catalogue of failures is whole, and every test that it names is one."""

from __future__ import annotations

import ast
import re

import pytest

from tests.source_tree import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "failures.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| F\d", line)
]
NOT_APPLICABLE = {"F61", "F62"}
"""About parts that do not exist yet."""


def found_in(module: str) -> set[str]:
    """Names of the tests of a module, without their prefix; and of its state machines."""
    tree = ast.parse((ROOT / "tests" / f"test_{module}.py").read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return {name.removeprefix("test_") for name in functions if name.startswith("test_")} | classes


def test_every_failure_has_its_row() -> None:
    """F1 to F62, in order, each once."""
    assert [f"F{number}" for number in range(1, 63)] == [row[0] for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_failure_has_a_test_that_exists(row: list[str]) -> None:
    """A row names at least one test, and no test that is not there; or says why there is none."""
    number, _, _, shown = row
    named = re.findall(r"`([a-z_0-9]+)\.([A-Za-z_0-9]+)`", shown)

    assert [] == [f"{module}.{name}" for module, name in named if name not in found_in(module)]
    assert (number in NOT_APPLICABLE) == (not named)
    assert named or "not applicable" in shown
