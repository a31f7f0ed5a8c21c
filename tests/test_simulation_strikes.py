"""What only a new connection meets is met, though connections are few; the rest is for the campaign to say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orderbook.simulator.families import FAMILIES
from orderbook.simulator.swarm import swarm
from tests.simulation import strikes
from tests.simulation.case import SYMBOLS, Case
from tests.simulation.strikes import SHARE_MIN, Strikes, strikes_of

SEEDS = 60
DURATION_MS = 30_000
OF_A_SESSION = ("tokens", "connecting", "acks", "pings")


def cases() -> Iterator[Case]:
    """Runs of one quiet symbol with such faults alone."""
    families = {name: FAMILIES[name] for name in OF_A_SESSION}
    for seed in range(SEEDS):
        profile, plan = swarm(
            seed, symbols=SYMBOLS[:1], duration_ms=DURATION_MS, families=families, markets={"quiet": 1}
        )
        yield Case(seed=seed, symbols=SYMBOLS[:1], profile=profile, duration_ms=DURATION_MS, plan=tuple(plan))


def test_faults_of_a_session_strike() -> None:
    """Each in a good part of the plans that name it."""
    found = strikes_of(cases())
    known = {template.fault for name in OF_A_SESSION for template in FAMILIES[name]}
    assert known | {"disconnect"} == {one.fault for one in found}
    assert [] == [one for one in found if one.struck < SHARE_MIN * one.planned]


def test_the_table_names_what_is_rare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And only that, where there are enough plans to say so; code 1 then."""
    found = [Strikes("drop", 2, 0), Strikes("swap", 10, 2), Strikes("delay", 10, 3)]
    monkeypatch.setattr(strikes, "strikes_of", lambda _: found)
    assert 1 == strikes.main(["0", "9"])
    assert capsys.readouterr().out.splitlines()[-1].endswith(": swap")
    del found[1]
    assert 0 == strikes.main(["0", "9"])
