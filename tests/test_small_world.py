"""The specification of the synchroniser, tried on every schedule of a small world (see ``small_world.py``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from orderbook.sync import BookSync
from orderbook.sync.table import INDEX, RULES, Index, Rule, indexed
from orderbook.types import BookState
from tests.examples import share
from tests.kucoin_frames import SYMBOL, delta, live, snapshot
from tests.small_world import SPECIALS, WORLDS, World
from tests.small_world_run import played

SHARDS: Final = 4
PARTS: Final = 17

# Where to look for what a rule is there for; the first schedule that breaks is enough.
TELLING: Final[tuple[World, ...]] = (
    {"changes": 3, "fates": ("once", "lost"), "specials": SPECIALS[1:]},
    {"changes": 3, "fates": ("once", "lost", "twice", "swapped")},
)


@pytest.mark.parametrize("shard", range(min(SHARDS, share(SHARDS))))
@pytest.mark.parametrize("world", WORLDS)
def test_live_is_the_truth_and_returns(world: str, shard: int) -> None:
    """Whatever happens, LIVE equals the venue's book, comes back once faults end, and costs no needless snapshot."""
    tried = 0
    for schedule, clocked, broken in played(WORLDS[world], shard=shard, shards=SHARDS):
        assert broken == set(), f"{schedule}, clocked={clocked}"
        tried += 1
    assert tried > 500


def wide_repetition(rules: Index) -> bool:
    """One message covers more sequences than the window; then an older one comes again."""
    sync = live(rules=rules)
    sync.receive(delta(12, 200))
    sync.receive(delta(11))
    return sync.state is BookState.LIVE


def old_count(rules: Index) -> bool:
    """After a reset a cache gives the old book as it was just before the numbers that the new count uses again."""
    sync = live(rules=rules)
    for number in range(12, 101):
        sync.receive(delta(number, bids=[("60", str(number))]))
    sync.receive(delta(90, bids=[("50", "1")]))
    sync.receive_snapshot(b"")
    sync.receive_snapshot(snapshot(89, [("100", "1"), ("99", "2"), ("60", "89")]), depth="full")
    return sync.state is not BookState.LIVE


def near_old_count(rules: Index) -> bool:
    """The same with a cache that is older than what is remembered, before the new count says anything else."""
    sync = live(rules=rules)
    for number in range(12, 200):
        sync.receive(delta(number))
    sync.receive(delta(1, bids=[("50", "1")]))
    sync.receive_snapshot(snapshot(110), depth="full")
    for number in range(2, 200):
        sync.receive(delta(number, bids=[("50", str(number))] if number < 5 else ()))
    return sync.state is not BookState.LIVE


def early_old_count(rules: Index) -> bool:
    """It is ahead of the new count, and near enough; what the new count said shows when it is there."""
    sync = live(rules=rules)
    for number in range(12, 301):
        sync.receive(delta(number))
    sync.receive(delta(100, bids=[["50", "1", "100"]]))
    sync.receive_snapshot(b"")
    sync.receive_snapshot(snapshot(150, [("100", "1"), ("50", "1")]), depth="full")
    for number in range(101, 152):
        sync.receive(delta(number, bids=[("50", str(number))]))
    return sync.state is not BookState.LIVE


def fallen_back(rules: Index) -> bool:
    """The venue falls back through numbers that were never heard here; every fresh answer is older than the book."""
    sync = live(rules=rules)
    sync.receive(delta(5, bids=[("50", "1")]))
    for _ in range(5):
        sync.audit()
        sync.receive_snapshot(snapshot(5, [("50", "1")]), depth="full")
    return sync.state is not BookState.LIVE and sync.counters.resets == 1


def fallen_back_while_joining(rules: Index) -> bool:
    """The same before a book is joined: a delta of the old count waits behind a hole that nothing will fill."""
    sync = BookSync("kucoin", SYMBOL, rules=rules)
    sync.receive(delta(40))
    for number in range(1, 8):
        sync.receive(delta(number))
        sync.receive_snapshot(snapshot(number), depth="full")
    sync.receive(delta(8))
    return sync.state is BookState.LIVE and sync.counters.resets == 1


def late_probe(rules: Index) -> bool:
    """A probe is under way while the venue begins to count anew, and names where the old count ended."""
    second = 1_000_000_000
    sync = live(rules=rules)
    sync.receive(delta(12, 500), second)
    sync.doubt(second)
    sync.receive(delta(1), second)
    sync.receive_snapshot(snapshot(1), second, depth="full")
    sync.receive_probe(500, second)
    sync.check(4 * second)
    return sync.state is BookState.LIVE


def quiet_after_a_loss(rules: Index) -> bool:
    """The last delta is lost, nothing follows, and the driver can only fetch snapshots."""
    sync = live(rules=rules)
    second = 1_000_000_000
    sync.receive_probe(12, second)
    for now_ns in range(2 * second, 60 * second, second):
        sync.check(now_ns)
        if sync.wants_snapshot:
            sync.receive_snapshot(snapshot(12), now_ns, depth="full")
    return sync.state is BookState.LIVE and sync.book.sequence == 12


def empty_answer(rules: Index) -> bool:
    """The venue answers once with a book that holds nothing, though it is not empty; the second answer is right."""
    sync = BookSync("kucoin", SYMBOL, rules=rules)
    sync.receive(delta(11))
    sync.receive_snapshot(snapshot(10, (), ()), depth="full")
    sync.receive(delta(12))
    refused = not sync.book.is_live
    sync.receive_snapshot(snapshot(11), depth="full")
    return refused and sync.book.is_live and len(sync.book.bids) == 2


def unanswered_silence(rules: Index) -> bool:
    """Nothing comes for a minute but pongs, and nobody answers the probes; then a delta does."""
    sync = live(rules=rules)
    second = 1_000_000_000
    sync.subscribed(second)
    sync.receive(delta(12), second)
    for now_ns in range(2 * second, 60 * second, second):
        sync.receive(b'{"type":"pong"}', now_ns)
        sync.check(now_ns)
    is_refused = sync.state is BookState.STALE and not sync.receive(b'{"type":"pong"}', 60 * second)
    sync.receive(delta(13), 60 * second)
    return is_refused and sync.state is BookState.LIVE


def seen_ahead_by_mistake(rules: Index) -> bool:
    """A probe names what the venue never had; snapshot after snapshot is at the book while the stream goes on."""
    sync = live(rules=rules)
    second = 1_000_000_000
    sync.receive_probe(1_000_000, second)
    sync.check(2 * second)
    is_refused = sync.state is BookState.STALE
    for number in range(12, 20):
        sync.receive(delta(number), 2 * second)
        sync.receive_snapshot(snapshot(number), 2 * second, depth="full")
    return is_refused and sync.state is BookState.LIVE


# Too long, or too lonely, for the small world.
STORIES: Final[dict[str, Callable[[Index], bool]]] = {
    "repetition": wide_repetition,
    "old count": old_count,
    "near the old count": near_old_count,
    "old book": early_old_count,
    "asked of the old count": late_probe,
    "fell back unseen": fallen_back,
    "fell back while joining": fallen_back_while_joining,
    "newer than a stale book": quiet_after_a_loss,
    "was not ahead": seen_ahead_by_mistake,
    "hollow": empty_answer,
    "venue cannot be asked": unanswered_silence,
    "still unasked": unanswered_silence,
}


@pytest.mark.parametrize("name", STORIES)
def test_the_other_rules_are_needed(name: str) -> None:
    """Each has a story that ends well with it, and badly without."""
    assert STORIES[name](INDEX)
    assert not STORIES[name](indexed([rule for rule in RULES if rule.name != name]))


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.name not in STORIES],
    ids=lambda rule: f"{rule.input.value}: {rule.name}",
)
def test_every_rule_is_needed(rule: Rule) -> None:
    """Taking a rule out breaks something; so nothing in the table is idle, and this suite would notice its loss."""
    without = tuple(other for other in RULES if other is not rule)
    # Every so manieth schedule first, from all over both worlds: few are needed then.
    parts = (played(world, without, shard=part, shards=PARTS) for part in range(PARTS) for world in TELLING)
    assert any(broken for part in parts for _, _, broken in part)
