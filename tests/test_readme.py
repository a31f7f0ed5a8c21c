"""The README tells the truth: its code runs, its table is the code's, its commands exist."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Final

import pytest
from click.testing import CliRunner

import orderbook
from orderbook.cli import main
from orderbook.simulator.server import LocalKuCoin
from tests.state_table import README, with_table

TEXT: Final = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_program_runs_and_prints_what_its_comments_say() -> None:
    """Every expression with a comment that is a value has that value."""
    program = blocks("python")[1]
    scope: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), scope)
    promised = re.findall(r"^(book\.\S+) +# (Level\(.*\))$", program, re.MULTILINE)
    assert len(promised) == 2
    for expression, value in promised:
        assert value == repr(eval(expression, scope))


async def test_the_live_program_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As shown, but for the address: against a local KuCoin it prints the touch twice, and ends."""
    async with LocalKuCoin(symbols=["BTC-USDT", "ETH-USDT"], seed=1) as venue:
        local = partial(orderbook.open_feed, url=venue.url, credentials=venue.credentials)
        monkeypatch.setattr(orderbook, "open_feed", local)
        code = compile(blocks("python")[0], "README.md", "exec")
        await asyncio.to_thread(exec, code, {})

    ready, update = capsys.readouterr().out.splitlines()
    assert 2 == ready.count("Level(price=")
    assert 2 == update.count("Level(price=")


def test_the_replay_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the root of a checkout, as shown."""
    monkeypatch.chdir(README.parent)
    exec(compile(blocks("python")[2], "README.md", "exec"), {})
    assert len(blocks("python")) == 3


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
