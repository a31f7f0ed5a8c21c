"""Any history of an ``OrderBook`` against two plain dictionaries, checked after every step."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orderbook.book import OrderBook
from orderbook.content import BookContent
from orderbook.errors import BeyondHorizon, BookNotLive, NumberError, UsageError
from orderbook.fixedpoint import to_number
from orderbook.types import BookState, Change, Side, Snapshot
from tests.examples import share

# The same few values in many spellings, so that rows meet.
spellings = st.sampled_from(
    [
        *("0.1", "0.10", "1e-1", 0.1, Decimal("0.1"), "0.2", 0.2, Decimal("2E-1"), "0.25", "0.3", 0.3),
        *("1", 1, 1.0, "1.00", Decimal(1), "1.5", 2, "2", 2.5, "1000000", 10**6, "0.000001"),
    ]
)
sizes = spellings | st.sampled_from(["0", 0, 0.0, "0.00", Decimal(0)])
rows = st.lists(st.tuples(spellings, sizes), max_size=6)
bad_rows = st.sampled_from([("x", 1), (1, -1), (1,), "12", (float("nan"), 1), (1, "1e-30"), ("1e30", 1)])
Model = dict[Side, dict[Fraction, Fraction]]


def exact(value: Any) -> Fraction:
    """What a spelling means."""
    return Fraction(repr(value) if isinstance(value, float) else value)


class BookMachine(RuleBasedStateMachine):
    """The last known book always equals the model; the guarded one does too, or refuses."""

    @initialize()
    def begin(self) -> None:
        self.book = OrderBook("BTC-USDT")
        self.kept = {Side.BID: self.book.last_known.exact.bids, Side.ASK: self.book.last_known.exact.asks}
        self.model: Model = {Side.BID: {}, Side.ASK: {}}
        self.horizon: dict[Side, Fraction | None] = {Side.BID: None, Side.ASK: None}
        self.state = BookState.CONNECTING
        self.sequence = self.epoch = self.touch_count = 0

    def levels(self, side: Side) -> list[tuple[Fraction, Fraction]]:
        return sorted(self.model[side].items(), reverse=side is Side.BID)

    def trusted(self, side: Side) -> list[tuple[Fraction, Fraction]]:
        edge = self.horizon[side]
        return [lv for lv in self.levels(side) if edge is None or side.value * lv[0] <= side.value * edge]

    def touch(self) -> list[Any]:
        return [self.levels(side)[:1] for side in Side]

    def moved(self, model: Model, sequence: int) -> None:
        before = self.touch()
        self.model, self.sequence = model, sequence
        self.touch_count += before != self.touch()

    @staticmethod
    def applied(model: Model, changed: dict[Side, list[tuple[Any, Any]]]) -> Model:
        after = {side: dict(model[side]) for side in Side}
        for side, side_rows in changed.items():
            for price, size in side_rows:
                after[side].pop(exact(price), None)
                if exact(size):
                    after[side][exact(price)] = exact(size)
        return after

    @rule(bids=rows, asks=rows, sequence=st.integers(0, 50), depth=st.none() | st.integers(1, 5))
    def apply_snapshot(self, bids: list[Any], asks: list[Any], sequence: int, depth: int | None) -> None:
        changed = {Side.BID: bids, Side.ASK: asks}
        after = self.applied({Side.BID: {}, Side.ASK: {}}, changed)
        cut = {side for side in Side if depth is not None and len(changed[side]) >= depth}
        if self.state is BookState.CLOSED or any(not after[side] for side in cut):
            with pytest.raises(BookNotLive if self.state is BookState.CLOSED else UsageError):
                self.book.apply_snapshot(bids, asks, sequence, depth=depth)
            return
        self.book.apply_snapshot(bids, asks, sequence, depth=depth)
        self.moved(after, sequence)
        self.horizon = {side: self.levels(side)[-1][0] if side in cut else None for side in Side}
        self.state, self.epoch = BookState.LIVE, self.epoch + 1

    @rule(bids=rows, asks=rows, step=st.integers(1, 3))
    def apply_changes(self, bids: list[Any], asks: list[Any], step: int) -> None:
        sequence = self.sequence + step
        if self.state is not BookState.LIVE:
            with pytest.raises(BookNotLive):
                self.book.apply_changes(bids, asks, sequence)
            return
        self.book.apply_changes(bids, asks, sequence)
        self.moved(self.applied(self.model, {Side.BID: bids, Side.ASK: asks}), sequence)

    @precondition(lambda self: self.state is BookState.LIVE)
    @rule(good=rows, bad=bad_rows, other=rows)
    def apply_a_bad_row(self, good: list[Any], bad: Any, other: list[Any]) -> None:
        # 1e-30 and 1e30 can only be refused beside a level that no longer fits.
        good = [*good, (10**6, 10**6)]
        with pytest.raises((UsageError, NumberError)):
            self.book.apply_changes(other, [*good, bad], self.sequence + 1)

    @precondition(lambda self: self.state is BookState.LIVE)
    @rule(bids=rows, back=st.integers(0, 3))
    def apply_an_old_sequence(self, bids: list[Any], back: int) -> None:
        with pytest.raises(UsageError, match="sequence"):
            self.book.apply_changes(bids, [], self.sequence - back)

    @rule(state=st.sampled_from([*BookState, BookState.LIVE]))
    def mark(self, state: BookState) -> None:
        self.book.mark(state, f"marked {state.value}", 7)
        self.state = state

    @rule(bids=rows, asks=rows, sequence=st.integers(0, 50), same_epoch=st.booleans())
    def put_a_new_inside_in(self, bids: list[Any], asks: list[Any], sequence: int, same_epoch: bool) -> None:
        bid_rows, ask_rows = (
            tuple(Change(to_number(price), to_number(size)) for price, size in side) for side in (bids, asks)
        )
        content = BookContent.from_snapshot(Snapshot(sequence, bid_rows, ask_rows), {Side.BID: False, Side.ASK: False})
        (self.book.adopt if same_epoch else self.book.swap)(content)
        self.moved(self.applied({Side.BID: {}, Side.ASK: {}}, {Side.BID: bids, Side.ASK: asks}), sequence)
        self.horizon = {Side.BID: None, Side.ASK: None}
        self.epoch += not same_epoch

    @rule()
    def adopt_a_copy(self) -> None:
        self.book.adopt(self.book.content.copy())

    @invariant()
    def the_structure_is_sound(self) -> None:
        self.book.verify()
        assert (self.state, self.sequence, self.epoch) == (self.book.state, self.book.sequence, self.book.epoch)
        assert self.touch_count == self.book.touch_count

    @invariant()
    def the_last_known_book_is_the_model(self) -> None:
        for side, kept in self.kept.items():
            trusted = self.trusted(side)
            assert len(trusted) == len(kept)
            assert trusted == [
                (Fraction(price), Fraction(size)) for price, size in kept.top(99, allow_partial=True).value
            ]
            assert kept.top(99, allow_partial=True).partial == (self.horizon[side] is not None)

    @invariant()
    def the_guard_holds(self) -> None:
        view = self.book.exact.view(99)
        if self.state is not BookState.LIVE:
            assert ((), ()) == (view.bids, view.asks)
            with pytest.raises(BookNotLive):
                self.book.depth(1, allow_partial=True)
            return
        for side, listed in ((Side.BID, view.bids), (Side.ASK, view.asks)):
            assert self.trusted(side) == [(Fraction(price), Fraction(size)) for price, size in listed]
        for side, name in ((Side.BID, "best_bid"), (Side.ASK, "best_ask")):
            if self.trusted(side):
                assert self.trusted(side)[0] == tuple(map(Fraction, getattr(self.book.exact, name)))
            elif self.horizon[side] is None:
                assert getattr(self.book, name) is None
            else:
                with pytest.raises(BeyondHorizon):
                    getattr(self.book, name)


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=share(80), stateful_step_count=30)
