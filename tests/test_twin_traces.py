"""Both twins tell the same story of every simulated fault."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import pytest

from tests.source_tree import ROOT
from tests.twins import IS_BUILT

SEEDS: Final = "0..2"


def traced(accelerator: str) -> str:
    """What a process on this twin says of the traces of ``SEEDS``."""
    command = [sys.executable, "-m", "tests.simulation", "trace", "--seeds", SEEDS, "--duration-ms", "2000"]
    done = subprocess.run(
        [*command, "--workers", "1"],
        cwd=ROOT,
        env={**os.environ, "ORDERBOOK_ACCELERATOR": accelerator, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.skipif(not IS_BUILT, reason="there is no compiled twin to compare with: it was not built")
def test_traces_are_equal() -> None:
    """Every event of every seed, at its time, with the same words, whichever twin keeps the books."""
    pure = traced("off")
    assert "all " in pure
    assert pure == traced("require")
