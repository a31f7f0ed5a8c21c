"""Writes the synchroniser's table in ``docs/states.md``; ``python -m tests.state_table`` brings it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orderbook.sync.table import NEXT, RULES, Rule
from orderbook.types import BookState

README: Final = Path(__file__).resolve().parent.parent / "README.md"
PAGE: Final = README.parent / "docs" / "states.md"
BEGIN: Final = "<!-- generated from orderbook/sync/table.py by `python -m tests.state_table` -->"
END: Final = "<!-- end of the generated table -->"

_NAMES: Final = {
    frozenset({BookState.SYNCING}): "SYNCING",
    frozenset({BookState.LIVE}): "LIVE",
    frozenset({BookState.LIVE, BookState.STALE}): "LIVE, STALE",
    frozenset({BookState.SYNCING, BookState.LIVE, BookState.STALE}): "SYNCING, LIVE, STALE",
    frozenset(BookState): "any",
}
_OTHERS: Final = "the others"


def state_table() -> str:
    """The table as Markdown."""
    lines = ["| state | input | condition | then | next |", "|---|---|---|---|---|"]
    for rule in RULES:
        states = _NAMES.get(rule.states, _OTHERS)
        lines.append(f"| {states} | {rule.input.value} | {rule.condition} | {rule.verdict.value} | {_next(rule)} |")
    return "\n".join(lines)


def _next(rule: Rule) -> str:
    """Where the verdict leads; empty where everything stays."""
    targets = NEXT[rule.verdict]
    moved = {targets[state].value for state in rule.states if targets[state] is not state}
    return ", ".join(sorted(moved))


def with_table(text: str) -> str:
    """A page's text with the present table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{state_table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
