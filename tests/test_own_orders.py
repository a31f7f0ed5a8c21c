"""Which orders of one's own are open: tables of what is heard, and the laws behind them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.errors import OrdersNotSynced, UsageError
from orderbook.own import OwnOrder, OwnOrders
from orderbook.streams import OrderUpdate
from orderbook.types import Side
from tests.own_orders import SYMBOL, listed, synced, update

OPEN = update("open", ns=10, size="2", filled_size="0")
HIT = update("match", ns=20, remaining_size="1.5", filled_size="0.5", match_size="0.5")
HIT_AGAIN = update("match", ns=20, remaining_size="1.2", filled_size="0.8", match_size="0.3")
SHRUNK = update("update", ns=30, remaining_size="0.7", filled_size="0.8", size="1.5", old_size="2")
FILLED = update("filled", ns=40, filled_size="2")
CANCELED = update("canceled", ns=40, filled_size="0.8")
TAKEN = update("match", ns=9, liquidity="taker", remaining_size="2", filled_size="1")

STORIES: tuple[tuple[str, Sequence[OrderUpdate], str | None], ...] = (
    ("nothing", (), None),
    ("received stands nowhere yet", (update("received"),), None),
    ("what a taker has left comes with open", (update("received"), TAKEN), None),
    ("a taker's rest", (update("received"), TAKEN, OPEN), "2"),
    ("open", (OPEN,), "2"),
    ("open twice", (OPEN, OPEN), "2"),
    ("hit", (OPEN, HIT), "1.5"),
    ("hit twice within one ns", (OPEN, HIT, HIT_AGAIN), "1.2"),
    ("the same, the other way round", (OPEN, HIT_AGAIN, HIT), "1.2"),
    ("hit before open is told", (HIT, OPEN), "1.5"),
    ("hit alone", (HIT,), "1.5"),
    ("shrunk", (OPEN, SHRUNK), "0.7"),
    ("an old hit after it shrank", (OPEN, SHRUNK, HIT), "0.7"),
    ("filled", (OPEN, HIT, FILLED), None),
    ("filled, and all of it again", (OPEN, HIT, FILLED, OPEN, HIT, FILLED), None),
    ("canceled", (OPEN, CANCELED), None),
    ("canceled before open is told", (CANCELED, OPEN), None),
    ("done, whatever it is called", (OPEN, update("match", status="done", remaining_size="1")), None),
    ("nothing left, before it is called filled", (OPEN, update("match", remaining_size="0")), None),
    ("a market order is never open", (update("open", kind="market", price=None),), None),
    ("a match that names no liquidity", (OPEN, update("match", liquidity=None, remaining_size="1")), "1"),
    ("what is left, worked out", (update("open", remaining_size=None, size="3", filled_size="1"),), "2"),
)


@pytest.mark.parametrize(("updates", "remaining"), [story[1:] for story in STORIES], ids=[s[0] for s in STORIES])
def test_what_an_order_comes_to(updates: Sequence[OrderUpdate], remaining: str | None) -> None:
    """By what the stream tells of it."""
    orders = synced()
    for each in updates:
        orders.receive(each)

    assert orders.is_synced
    expected = [] if remaining is None else [Decimal(remaining)]
    assert expected == [order.remaining_size for order in orders.open_orders()]
    levels = orders.levels(SYMBOL).of(Side.BID)
    assert [(Decimal(100), size) for size in expected] == [(price, level.size) for price, level in levels.items()]


@given(st.permutations([OPEN, HIT, HIT_AGAIN, SHRUNK]), st.lists(st.sampled_from([OPEN, HIT, HIT_AGAIN, SHRUNK])))
def test_neither_order_nor_repetition_matters(updates: list[OrderUpdate], again: list[OrderUpdate]) -> None:
    """An order is all that was ever said of it, taken together."""
    orders = synced()
    for each in (*updates, *again):
        orders.receive(each)

    (order,) = orders.open_orders()
    assert ("0.7", "0.8", 10, True) == (
        str(order.remaining_size),
        str(order.filled_size),
        order.opened_ns,
        order.was_hit,
    )
    assert len(updates) + len(again) == orders.counters.updates
    assert orders.counters.repeated >= len(again)
    assert [Decimal("0.7")] == [level.size for level in orders.levels(SYMBOL).of(Side.BID).values()]


@given(st.permutations([OPEN, HIT, SHRUNK, CANCELED, FILLED]))
def test_what_ended_stays_so(updates: list[OrderUpdate]) -> None:
    """In whatever order it is told."""
    orders = synced()
    for each in updates:
        orders.receive(each)

    assert () == orders.open_orders()
    assert 1 == orders.counters.ended
    assert orders.is_own("a")
    assert not orders.is_own("b")


def test_whether_an_update_was_news() -> None:
    """Is what ``receive`` answers, and what is counted."""
    orders = synced()

    assert [True, False, True, True, False] == [orders.receive(one) for one in (OPEN, OPEN, HIT, FILLED, HIT)]
    assert (5, 2, 0) == (orders.counters.updates, orders.counters.repeated, orders.counters.unusable)


def test_orders_by_symbol_and_by_name() -> None:
    """Levels add up per symbol, side and price; prices that are equal are one."""
    orders = synced()
    for each in (
        OPEN,
        update("open", "b", price="100.0", remaining_size="0.5", client_id="mine"),
        update("open", "c", side="sell", price="101", remaining_size="3"),
        update("open", "d", symbol="ETH-USDT", price="7", remaining_size="4"),
    ):
        orders.receive(each)

    assert ["a", "b", "c", "d"] == [order.order_id for order in orders.open_orders()]
    assert ["d"] == [order.order_id for order in orders.open_orders("ETH-USDT")]
    assert () == orders.open_orders("SOL-USDT")
    assert {} == orders.levels("SOL-USDT").of(Side.BID)
    assert {Decimal(100): Decimal("2.5")} == {p: v.size for p, v in orders.levels(SYMBOL).of(Side.BID).items()}
    assert {Decimal(101): Decimal(3)} == {p: v.size for p, v in orders.levels(SYMBOL).of(Side.ASK).items()}
    found = orders.get("b")
    assert found is not None
    assert ("mine", Side.BID, Decimal(100)) == (found.client_id, found.side, found.price)
    assert None is orders.get("e")


def test_sums_do_not_depend_on_the_users_context() -> None:
    """A program may compute with few digits elsewhere."""
    orders = synced()
    with localcontext() as context:
        context.prec = 2
        for name in "abc":
            orders.receive(update("open", name, remaining_size="1.2345678901234567890123456789"))

    (level,) = orders.levels(SYMBOL).of(Side.BID).values()
    assert Decimal("3.7037036703703703670370370367") == level.size


# --- what makes them synced, and what not ------------------------------------------------------------------------


def test_nothing_is_told_before_the_first_list() -> None:
    """Nor is what was heard until then all there is."""
    orders = OwnOrders()
    orders.receive(OPEN)

    for question in (orders.check, orders.open_orders, lambda: orders.get("a")):
        with pytest.raises(OrdersNotSynced, match="own orders are not synced: the open orders were not read yet; "):
            question()
    with pytest.raises(OrdersNotSynced) as refused:
        orders.check()
    assert refused.value.reason == pickle.loads(pickle.dumps(refused.value)).reason == orders.reason
    assert ["a"] == [order.order_id for order in orders.last_known()]
    assert orders.finish_reread(orders.begin_reread(), [])
    assert orders.is_synced
    assert ["a"] == [order.order_id for order in orders.open_orders()]


REREADS: tuple[tuple[str, tuple[OrderUpdate, ...], tuple[OrderUpdate, ...], tuple[OwnOrder, ...], str | None], ...] = (
    ("listed", (), (), (listed(),), "2"),
    ("known before, and listed", (OPEN,), (), (listed(),), "2"),
    ("known before, and hit unseen", (OPEN,), (), (listed(remaining_size="1.5"),), "1.5"),
    ("known before, and not listed", (OPEN,), (), (), None),
    ("opened during the read, not listed", (), (OPEN,), (), "2"),
    ("opened during the read, and listed", (), (OPEN,), (listed(),), "2"),
    ("known before, told of during the read, not listed", (OPEN,), (HIT,), (), "1.5"),
    ("hit during the read, after the list was made", (OPEN,), (HIT,), (listed(),), "1.5"),
    ("hit before the list was made, told during the read", (), (HIT,), (listed(remaining_size="1.5"),), "1.5"),
    ("hit again by then, not yet told", (), (HIT,), (listed(remaining_size="1.2"),), "1.2"),
    ("only repeated during the read", (OPEN,), (OPEN,), (), "2"),
    ("ended during the read, and listed", (OPEN,), (CANCELED,), (listed(),), None),
    ("ended before, and listed", (OPEN, CANCELED), (), (listed(),), None),
    ("unknown, ended during the read, and listed", (), (FILLED,), (listed(),), None),
    ("listed with nothing left", (OPEN,), (), (listed(remaining_size="0"),), None),
)


@pytest.mark.parametrize(
    ("before", "during", "found", "remaining"), [case[1:] for case in REREADS], ids=[case[0] for case in REREADS]
)
@pytest.mark.parametrize("late", [(), (OPEN,)], ids=["", "then open again"])
def test_a_list_after_a_loss(
    before: tuple[OrderUpdate, ...],
    during: tuple[OrderUpdate, ...],
    found: tuple[OwnOrder, ...],
    remaining: str | None,
    late: tuple[OrderUpdate, ...],
) -> None:
    """What the list and the stream make of an order, together, and after what comes late."""
    orders = synced()
    for each in before:
        orders.receive(each)
    orders.lost("the link is down")
    reread = orders.begin_reread()
    for each in during:
        orders.receive(each)
    assert "the link is down" == orders.reason
    assert orders.finish_reread(reread, found)
    for each in late:
        orders.receive(each)

    assert ([Decimal(remaining)] if remaining else []) == [order.remaining_size for order in orders.open_orders()]


def test_what_a_list_made_of_it_is_counted() -> None:
    """Orders that ended unseen, lists that were of use, and those that were not."""
    orders = synced(listed("a"), listed("b"))
    orders.lost("once")
    first = orders.begin_reread()
    orders.lost("twice")

    assert not orders.finish_reread(first, [listed("c")])
    assert (2, "twice") == (orders.counters.losses, orders.reason)
    assert ["a", "b"] == [order.order_id for order in orders.last_known()]

    assert orders.finish_reread(orders.begin_reread(), [listed("b")])
    assert (2, 1, 1, 0) == (
        orders.counters.rereads,
        orders.counters.rereads_void,
        orders.counters.missing,
        orders.counters.ended,
    )


def test_a_list_between_losses_changes_nothing() -> None:
    """An order that is known since the stream is up needs no list to stay."""
    orders = synced(listed("a"))
    orders.receive(update("open", "b"))

    assert orders.finish_reread(orders.begin_reread(), [])
    assert ["a", "b"] == [order.order_id for order in orders.open_orders()]


UNUSABLE: tuple[tuple[str, OrderUpdate], ...] = (
    ("it tells no remaining size", update("open", "b", remaining_size=None)),
    ("it tells no remaining size", update("open", "b", remaining_size=None, size="2")),
    ("it tells no remaining size", update("open", "b", remaining_size=None, filled_size="2")),
    ("it tells no price", update("open", "b", price=None)),
    ("it tells no price", update("open", "b", price="0")),
    ("its size grew, which no order is known to do", update("update", "a", old_size="2", size="3")),
    ("its symbol, side or price is not what it was", update("match", "a", price="99")),
    ("its symbol, side or price is not what it was", update("match", "a", side="sell")),
    ("its symbol, side or price is not what it was", update("match", "a", symbol="ETH-USDT")),
)


@pytest.mark.parametrize(("why", "bad"), UNUSABLE)
def test_an_update_that_cannot_be_used(why: str, bad: OrderUpdate) -> None:
    """It makes them not synced, until they are read once more; and it is counted."""
    orders = synced(listed("a"))

    assert orders.receive(bad)
    assert not orders.is_synced
    assert f"an update of order '{bad.order_id}' cannot be used: {why}" == orders.reason
    assert (1, 1) == (orders.counters.unusable, orders.counters.losses)
    assert ([] if "not what it was" in why else ["a"]) == [order.order_id for order in orders.last_known()]
    assert orders.finish_reread(orders.begin_reread(), [listed("a")])
    assert ["a"] == [order.order_id for order in orders.open_orders()]


# --- bounds -------------------------------------------------------------------------------------------------------


def test_ended_orders_are_remembered_up_to_a_bound() -> None:
    """What comes even later than that is not believed: it may be of an order that ended."""
    orders = synced(ended_max=2)
    for number in range(4):
        orders.receive(update("filled", f"e{number}", ns=100 + number))

    assert [False, False, True, True] == [orders.is_own(f"e{number}") for number in range(4)]
    assert orders.receive(update("open", "new", ns=102))
    assert orders.is_synced
    assert orders.receive(update("open", "e1", ns=101))
    assert "an update of order 'e1' cannot be used: it comes so late that the order may have ended" in str(
        orders.reason
    )


def test_an_open_order_is_not_too_late() -> None:
    """However old what is told of it is."""
    orders = synced(listed("a"), ended_max=1)
    for number in range(3):
        orders.receive(update("filled", f"e{number}", ns=100))

    assert orders.receive(update("match", "a", ns=5, remaining_size="1"))
    assert orders.is_synced


def test_what_a_list_lacks_does_not_bring_back_what_it_still_shows() -> None:
    """One order ended after the list was made, another one while nobody listened: neither is open."""
    orders = synced(listed("gone"), ended_max=1)
    orders.lost("a gap")
    reread = orders.begin_reread()
    orders.receive(update("open", "b"))
    orders.receive(update("filled", "b"))

    assert orders.finish_reread(reread, [listed("b")])
    assert () == orders.open_orders()
    assert {} == orders.levels(SYMBOL).of(Side.BID)


def test_a_read_during_which_too_many_orders_end() -> None:
    """Nobody can tell any more whether those that it lists are among them."""
    orders = OwnOrders(ended_max=1)
    reread = orders.begin_reread()
    orders.receive(update("filled", "a"))
    orders.receive(update("filled", "b"))

    assert not orders.finish_reread(reread, [listed("a")])
    assert 1 == orders.counters.rereads_void
    assert orders.finish_reread(orders.begin_reread(), [])


def test_more_open_orders_than_are_allowed() -> None:
    """They are not synced then, whether a list or the stream brought the last one."""
    orders = synced(listed("a"), open_max=1)

    orders.receive(update("open", "b"))
    assert "more than 1 orders are open; allow more with open_max" in str(orders.reason)
    assert not orders.finish_reread(orders.begin_reread(), [listed("a"), listed("b")])
    assert "the list of open orders cannot be used: more than 1 orders are open" in str(orders.reason)
    assert orders.finish_reread(orders.begin_reread(), [listed("a")])


@pytest.mark.parametrize("bounds", [{"ended_max": 0}, {"open_max": 0}, {"open_max": 1.5}, {"ended_max": True}])
def test_bounds_that_are_none(bounds: dict[str, Any]) -> None:
    """Are refused by name."""
    with pytest.raises(UsageError, match=next(iter(bounds))):
        OwnOrders(**bounds)
