"""The README tells the truth: its code runs, its table is the code's, its commands exist."""

from __future__ import annotations

import re
from typing import Final

import pytest
from click.testing import CliRunner

from orderbook.cli import main
from tests.state_table import README, with_table

TEXT: Final = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_program_runs_and_prints_what_its_comments_say() -> None:
    """Every expression with a comment that is a value has that value."""
    program = blocks("python")[0]
    scope: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), scope)
    promised = re.findall(r"^(book\.\S+) +# (Level\(.*\))$", program, re.MULTILINE)
    assert len(promised) == 2
    for expression, value in promised:
        assert value == repr(eval(expression, scope))


def test_the_replay_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root of a checkout, as shown."""
    monkeypatch.chdir(README.parent)
    exec(compile(blocks("python")[1], "README.md", "exec"), {})
    assert len(blocks("python")) == 2


def test_the_state_table_is_current() -> None:
    """``python -m tests.state_table`` would change nothing."""
    assert with_table(TEXT) == TEXT


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^\$ orderbook (\w+)", TEXT, re.MULTILINE))))
def test_every_command_shown_exists(command: str) -> None:
    """And explains itself."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_the_two_commands_stand_on_the_first_screen() -> None:
    """A stranger finds them without scrolling."""
    first_screen = TEXT.split("\n")[:24]
    assert any("make demo" in line for line in first_screen)
    assert any("make test" in line for line in first_screen)
