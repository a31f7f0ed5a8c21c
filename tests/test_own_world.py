"""One's own orders against a small venue that knows the truth, with streams that are late, repeat themselves and break.

At every moment what is answered is right as far as it is promised, or refused; once all is told, it is the truth.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.errors import OrdersNotSynced
from orderbook.own import OwnOrder
from orderbook.types import Level, Side
from tests.examples import share
from tests.own_orders import MS
from tests.own_world import ASKS, BIDS, World

Step = Callable[[World], None]
STORIES = 40

PRICES = (*BIDS, *ASKS)
SIZES = (1, 2, 3, 4, 6)
COUNTS = (1, 2, 4)
PLACES = (0, 0, 1, 2, 5)


STEPS: tuple[tuple[int, str, tuple[tuple[int, ...], ...], dict[str, bool]], ...] = (
    (6, "place", (PRICES, SIZES), {"is_own": True}),
    (3, "place", (PRICES, SIZES), {"is_own": False}),
    (8, "take", (PRICES, SIZES), {}),
    (2, "cross", (PRICES, (2, 4, 6)), {}),
    (4, "pull", (PRICES, PLACES, (0, 0, 1, 3)), {}),
    (3, "pull_own", (PLACES, (0, 1, 2)), {}),
    (9, "deliver_book", (COUNTS,), {}),
    (9, "deliver_orders", (COUNTS, PLACES), {}),
    (3, "repeat", (PLACES,), {}),
    (6, "deliver_trades", (COUNTS,), {}),
    (8, "pass_time", ((0, 1, MS // 2, MS, 3 * MS),), {}),
    (2, "ask", (), {}),
    (3, "make_answer", (), {}),
    (3, "deliver_answer", (), {}),
    (1, "disconnect", (), {}),
)
"""How often each method of the world is called among the others, and with what."""


def steps_of(choose: Callable[[Sequence[Any]], Any], count: int) -> Iterator[Step]:
    """So many steps, each chosen."""
    methods = [one for one in STEPS for _ in range(one[0])]
    for _ in range(count):
        _, name, choices, fixed = choose(methods)
        yield partial(_do, name=name, given=[choose(values) for values in choices], fixed=fixed)


def _do(world: World, *, name: str, given: list[int], fixed: dict[str, bool]) -> None:
    getattr(world, name)(*given, **fixed)


def check_refusals(world: World) -> None:
    """What depends on orders that are not synced is refused, whatever the question."""
    questions: tuple[Callable[[], object], ...] = (
        world.orders.open_orders,
        lambda: world.orders.get("own"),
        lambda: world.queue.ahead("own"),
        lambda: world.net.best_bid,
        lambda: world.net.exact.depth(1),
        lambda: world.net.bids,
        lambda: world.net.is_settled,
        lambda: world.net.overdrawn,
    )
    for question in questions:
        with pytest.raises(OrdersNotSynced):
            question()
    assert () == world.net.view(3).bids
    assert not world.net.is_live


def check_promises(world: World) -> None:
    """What is promised at every moment: at prices where nothing of one's own is under way, all of it."""
    for price in (*BIDS, *ASKS):
        ladder = world.net.exact.bids if price < 100 else world.net.exact.asks
        assert ladder.size_at(price) >= 0
        if world.is_quiet(price):
            assert world.others_at(price) == ladder.size_at(price)
    world.cases["uneasy"] += bool(world.net.overdrawn)
    assert all(not world.is_quiet(int(one.price)) for one in world.net.overdrawn)
    for order in world.own():
        estimate = world.queue.ahead(order.order_id)
        if estimate is None or not world.is_quiet(order.price):
            continue
        assert 0 <= estimate.likely <= estimate.most
        if estimate.is_settled:
            assert world.ahead_of(order) <= estimate.most <= world.others_at(order.price)


def check_truth(world: World) -> None:
    """Once all is told, everything is the truth."""
    assert sorted(world.open_orders(), key=str) == sorted(
        (_as_listed(order) for order in world.orders.open_orders()), key=str
    )
    others = world.others[-1]
    for side, sign in ((Side.BID, -1), (Side.ASK, 1)):
        true = sorted((price for price in others if (price < 100) is (side is Side.BID)), key=lambda p: sign * p)
        ladder = world.net.exact.bids if side is Side.BID else world.net.exact.asks
        assert [Level(Decimal(price), Decimal(others[price]) / 100) for price in true] == list(ladder)
    assert world.net.is_settled
    assert all(world.queue.ahead(order.order_id) for order in world.own())
    check_promises(world)


def _as_listed(order: OwnOrder) -> OwnOrder:
    """As a list shows it, which tells less."""
    return replace(order, filled_size=Decimal(0), opened_ns=order.opened_ns // MS * MS, was_hit=False)


def run(steps: Iterable[Step]) -> World:
    """Do the steps, and check after each what is promised."""
    world = World()
    for one in steps:
        one(world)
        if world.orders.is_synced:
            check_promises(world)
        else:
            check_refusals(world)
    world.settle()
    check_truth(world)
    return world


@given(st.data(), st.integers(1, 40))
@settings(max_examples=share(80))
def test_what_is_said_of_own_orders_is_true_or_refused(data: st.DataObject, count: int) -> None:
    """At every step, and all of it in the end."""
    run(steps_of(lambda values: data.draw(st.sampled_from(values)), count))


def test_long_stories() -> None:
    """The same in worlds of many steps, in which all of it happens, and often."""
    seen: Counter[str] = Counter()
    for seed in range(STORIES):
        world = run(steps_of(random.Random(seed).choice, 400))
        seen.update(world.cases)
        seen["ahead"] += sum(world.ahead_of(order) > 0 for order in world.own())

    names = ("open", "match", "filled", "update", "canceled", "lost", "reread", "void", "repeated", "uneasy", "ahead")
    assert [] == [name for name in names if seen[name] < STORIES], seen
