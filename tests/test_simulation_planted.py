"""The oracle must fail: engines with a planted error are played, and each is caught; the real one passes those runs."""

from __future__ import annotations

import pytest

from tests.simulation.planted import PLANTED, SEEDS_MAX, Planted, caught, told
from tests.simulation.running import simulate

RECORDED = ("I1", "I2", "I3", "I4", "I5", "I6", "I8", "I10")
"""Laws that an engine can break by itself; I7 and I9 are about what stands around it."""


@pytest.mark.parametrize("engine", PLANTED, ids=lambda engine: engine.name)
def test_planted_errors_are_caught(engine: Planted) -> None:
    """Within the first seeds a law breaks that is about this error, and none breaks with the real engine."""
    found = caught(engine, range(SEEDS_MAX))
    assert found is not None
    assert found.law in engine.laws, f"seed {found.seed}: {found.what}"
    assert [] == [breach for seed in range(found.seed + 1) for breach in simulate(engine.case(seed)).breaches]


def test_every_law_of_an_engine_has_its_planted_error() -> None:
    """No law stands there that nothing is known to break; and names are unique, as they are looked up by them."""
    assert set(RECORDED) == {law for engine in PLANTED for law in engine.laws}
    assert len(PLANTED) == len({engine.name for engine in PLANTED}) >= 12


def test_the_table_names_seed_and_law(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line an engine; what gets away is said, and ends with code 1."""
    harmless = Planted(name="nothing is wrong with it", laws=frozenset(), case=PLANTED[-1].case)
    monkeypatch.setattr("tests.simulation.planted.PLANTED", (PLANTED[0], harmless))
    monkeypatch.setattr("tests.simulation.planted.SEEDS_MAX", 2)
    assert 1 == told([])
    first, second, last = capsys.readouterr().out.splitlines()
    assert [PLANTED[0].name, "seed  0", "I1"] == [first[:52].strip(), first[54:61], first[63:65]]
    assert second.endswith("not caught")
    assert "1 of 2 caught within 2 seeds" == last
