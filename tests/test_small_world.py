"""The specification of the synchroniser, tried on every schedule of a small world (see ``small_world.py``)."""

from __future__ import annotations

from typing import Final

import pytest

from orderbook.sync.table import RULES, Rule
from tests.small_world import SPECIALS, WORLDS, World
from tests.small_world_run import played

SHARDS: Final = 4

# Where to look for what a rule is there for; the first schedule that breaks is enough.
TELLING: Final[tuple[World, ...]] = (
    {"changes": 3, "fates": ("once", "lost"), "specials": SPECIALS[1:]},
    {"changes": 3, "fates": ("once", "lost", "twice", "swapped")},
)


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("world", WORLDS)
def test_live_is_the_truth_and_returns(world: str, shard: int) -> None:
    """Whatever happens, LIVE equals the venue's book, comes back once faults end, and costs no needless snapshot."""
    tried = 0
    for schedule, clocked, broken in played(WORLDS[world], shard=shard, shards=SHARDS):
        assert broken == set(), f"{schedule}, clocked={clocked}"
        tried += 1
    assert tried > 500


# Needs a new count that climbs to the sequence of an old one: told by
# test_a_snapshot_of_the_old_count_is_found_out_by_what_the_stream_said.
TOLD_ELSEWHERE: Final = {"foreign"}


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.name not in TOLD_ELSEWHERE],
    ids=lambda rule: f"{rule.input.value}: {rule.name}",
)
def test_every_rule_is_needed(rule: Rule) -> None:
    """Taking a rule out breaks something; so nothing in the table is idle, and this suite would notice its loss."""
    without = tuple(other for other in RULES if other is not rule)
    assert any(broken for world in TELLING for _, _, broken in played(world, without))
