"""The ladder against a plain dictionary, its own checks, and the choice of the twin."""

from __future__ import annotations

import os
import subprocess
import sys
from bisect import bisect_right
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orderbook.accelerator import chosen, in_use
from orderbook.book import OrderBook
from orderbook.errors import UsageError
from orderbook.fixedpoint import RAW_MAX
from orderbook.ladder import Ladder, reference
from orderbook.simulator.chance import stream
from orderbook.types import Side
from tests.examples import share
from tests.strategies import raw_prices, raw_sizes
from tests.twins import IS_BUILT, LADDERS


class LadderMachine(RuleBasedStateMachine):
    """Any sequence of actions leaves the ladder equal to a dictionary that is sorted on demand."""

    twin: type[Ladder]

    @initialize(side=st.sampled_from(Side))
    def begin(self, side: Side) -> None:
        self.side = side
        self.ladder = self.twin(side)
        self.model: dict[int, int] = {}

    def sorted_levels(self) -> list[tuple[int, int]]:
        return sorted(self.model.items(), reverse=self.side is Side.BID)

    @rule(price=raw_prices, size=raw_sizes)
    def set_level(self, price: int, size: int) -> None:
        assert self.model.get(price, 0) == self.ladder.set(price, size)
        self.model[price] = size

    @rule(price=raw_prices)
    def remove_level(self, price: int) -> None:
        assert self.model.pop(price, 0) == self.ladder.set(price, 0)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_present_level(self, data: st.DataObject) -> None:
        self.remove_level(data.draw(st.sampled_from(sorted(self.model))))

    @rule(levels=st.lists(st.tuples(raw_prices, raw_sizes | st.just(0)), max_size=8))
    def load(self, levels: list[tuple[int, int]]) -> None:
        self.ladder.load(iter(levels))
        self.model = {price: size for price, size in dict(levels).items() if size}

    @rule(price_factor=st.sampled_from([1, 10, 1000]), size_factor=st.sampled_from([1, 10]))
    def rescale(self, price_factor: int, size_factor: int) -> None:
        rescaled = {price * price_factor: size * size_factor for price, size in self.model.items()}
        if max([*rescaled, *rescaled.values()], default=0) <= RAW_MAX:
            self.ladder.rescale(price_factor, size_factor)
            self.model = rescaled

    @rule(price=raw_prices)
    def go_on_with_a_copy(self, price: int) -> None:
        original, self.ladder = self.ladder, self.ladder.copy()
        original.set(price, 7)
        original.clear()
        assert 0 == len(original)

    @rule()
    def clear(self) -> None:
        self.ladder.clear()
        self.model.clear()

    @rule(price=raw_prices | st.sampled_from([0, RAW_MAX]))
    def look_up_a_price(self, price: int) -> None:
        levels = self.sorted_levels()
        count = bisect_right([self.side.value * level for level, _ in levels], self.side.value * price)
        assert self.model.get(price, 0) == self.ladder.get(price)
        assert count == self.ladder.count_to(price)
        assert levels[:count] == list(self.ladder.to(price))

    @rule(index=st.integers(-12, 12))
    def look_up_a_position(self, index: int) -> None:
        levels = self.sorted_levels()
        if -len(levels) <= index < len(levels):
            assert levels[index] == self.ladder.at(index)
        else:
            with pytest.raises(IndexError):
                self.ladder.at(index)

    @rule(n=st.integers(0, 12))
    def take_the_top(self, n: int) -> None:
        assert self.sorted_levels()[:n] == self.ladder.top(n)

    @invariant()
    def same(self) -> None:
        levels = self.sorted_levels()
        assert levels == list(self.ladder)
        assert len(levels) == len(self.ladder)
        assert (levels[0] if levels else None) == self.ladder.best()
        assert (levels[-1] if levels else None) == self.ladder.worst()
        self.ladder.verify()


def machine_of(name: str) -> Any:
    """The machine for one twin, as a test."""
    made: Any = type(f"{name.title()}Ladder", (LadderMachine,), {"twin": LADDERS[name]})
    found = made.TestCase
    found.settings = settings(max_examples=share(80), stateful_step_count=40)
    return found


TestPureLadder = machine_of("pure")
if IS_BUILT:
    TestCompiledLadder = machine_of("compiled")


def ladder_of(side: Side, *prices: int, twin: type[Ladder] = reference.Ladder) -> Ladder:
    """A ladder with size 1 at each price."""
    ladder = twin(side)
    for price in prices:
        ladder.set(price, 1)
    return ladder


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("price", "size"),
    [(0, 1), (-1, 1), (RAW_MAX + 1, 1), (5, -1), (5, RAW_MAX + 1), (5.0, 1), (5, 1.5), (5, float("nan")), (5, True)],
)
def test_verify_notices_what_is_no_level(side: Side, price: int, size: int) -> None:
    """Out of range, or not an integer (NaN above all, which would break every comparison)."""
    ladder = ladder_of(side, 3, 8)
    ladder.set(price, size)

    with pytest.raises(AssertionError):
        ladder.verify()


def test_verify_notices_a_wrong_order() -> None:
    """Levels that are not best first."""
    ladder = ladder_of(Side.ASK, 3, 8)
    ladder.side = Side.BID

    with pytest.raises(AssertionError, match="not best first"):
        ladder.verify()


def test_verify_notices_a_lost_level() -> None:
    """A level that a look-up finds and an iteration does not."""
    ladder = ladder_of(Side.ASK, 3, 8)
    # Behind the back of the sorted keys.
    super(type(ladder._sizes), ladder._sizes).__setitem__(5, 1)

    with pytest.raises(AssertionError, match="length"):
        ladder.verify()


@pytest.mark.parametrize("twin", LADDERS)
def test_repr_is_short(twin: str) -> None:
    """A ladder with a million levels still prints as one line."""
    assert "<Ladder BID of 2 levels>" == repr(ladder_of(Side.BID, 1, 2, twin=LADDERS[twin]))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("twin", LADDERS)
def test_many_levels_come_and_go(twin: str, side: Side, *, near: bool) -> None:
    """Thousands of them, at the touch or anywhere: as many as make blocks of a compiled ladder split and join."""
    rng = stream(5, f"{side} {near}")
    ladder, model = LADDERS[twin](side), dict[int, int]()
    for grows in (0.95, 0.5, 0.05):
        for _ in range(4_000):
            price = 10**6 + side.value * int(rng.expovariate(1 / 50)) if near else rng.randint(1, 10**4)
            size = rng.randint(1, 9) if rng.random() < grows else 0
            assert model.get(price, 0) == ladder.set(price, size)
            model[price] = size
        levels = sorted(((p, s) for p, s in model.items() if s), reverse=side is Side.BID)
        ladder.verify()
        assert levels == list(ladder) == list(ladder.copy())
        for index in (0, 1, 500, -1):
            if -len(levels) <= index < len(levels):
                assert levels[index] == ladder.at(index)
        for price in (1, 5_000, 10**6, 10**6 + 40, 10**6 - 40):
            expected = [level for level in levels if side.value * level[0] <= side.value * price]
            assert (len(expected), expected) == (ladder.count_to(price), list(ladder.to(price)))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("count", [0, 1, 111, 112, 113, 224, 5_000])
@pytest.mark.parametrize("twin", LADDERS)
def test_many_levels_are_loaded_at_once(twin: str, count: int, side: Side) -> None:
    """In any order, in the place of what was there; and changes go on from there."""
    rng = stream(6, f"{count}")
    ladder = ladder_of(side, 1, 2, 10**9, twin=LADDERS[twin])
    rows = [(price, rng.randint(1, 9)) for price in rng.sample(range(1, 20_000), count)]
    ladder.load([*((price, 0) for price, _ in rows[:9]), (7, 5), (7, 0), *rows])
    model = dict(rows)
    for _ in range(4):
        assert sorted(model.items(), reverse=side is Side.BID) == list(ladder) == list(ladder.copy())
        ladder.verify()
        for _ in range(1_000):
            price, size = rng.randint(1, 20_000), rng.randint(0, 2)
            assert model.pop(price, 0) == ladder.set(price, size)
            model |= {price: size} if size else {}


def test_a_ladder_tells_its_memory() -> None:
    """More levels take more; a copy takes about as much; without levels it is given back."""
    for twin in LADDERS.values():
        ladder = ladder_of(Side.BID, twin=twin)
        empty = getsizeof(ladder)
        ladder.load((price, price) for price in range(2**40, 2**40 + 5_000))
        full = getsizeof(ladder)
        assert 5_000 * 16 < full - empty
        assert full // 2 < getsizeof(ladder.copy()) < 2 * full
        ladder.clear()
        assert getsizeof(ladder) < full // 2


ORDERS: dict[str, list[int]] = {
    "best first": [*range(20_000, 0, -1)],
    "worst first": [*range(1, 20_000)],
    "best first, behind all a level": [1, *range(20_000, 1, -1)],
    "worst first, before all a level": [20_000, *range(1, 20_000)],
    "inwards from both ends": [price for at in range(1, 10_000) for price in (at, 20_000 - at)],
    "in any order": stream(7, "any").sample(range(1, 10**6), 20_000),
}


@pytest.mark.skipif(not IS_BUILT, reason="there is no compiled twin here")
@pytest.mark.parametrize("order", ORDERS)
def test_blocks_of_a_compiled_ladder_are_nearly_full(order: str) -> None:
    """Whatever order levels come in: a level itself takes 16 bytes."""
    ladder = ladder_of(Side.BID, twin=LADDERS["compiled"])
    for price in ORDERS[order]:
        ladder.set(price, price)
    ladder.verify()
    assert [(price, price) for price in sorted(ORDERS[order], reverse=True)] == list(ladder)
    assert getsizeof(ladder) <= 21 * len(ladder)


@pytest.mark.parametrize("seed", range(4))
def test_one_call_may_fill_every_block(seed: int) -> None:
    """What a call may need is reserved before it: whichever blocks are full, and how often."""
    rng = stream(9, f"{seed}")
    book, model = OrderBook("X"), {price * 1_000: 1 for price in range(1, 1_500)}
    book.apply_snapshot([(price, 1) for price in reversed(model)], [(10**9, 1)], 0)
    for number in range(1, 120):
        # So few that each fills another block, or so many that one place takes them all.
        near = rng.choice((10**3, 10**5, 10**6))
        first = rng.randrange(10**6)
        rows = [
            (first + at, 0 if rng.random() < 0.1 else 1) for at in rng.sample(range(1, near), rng.choice((1, 30, 900)))
        ]
        book.apply_changes(rows, [], number)
        model |= dict(rows)
    ladder = book.content.bids
    ladder.verify()
    assert sorted((level for level in model.items() if level[1]), reverse=True) == list(ladder)


@pytest.mark.skipif(not IS_BUILT, reason="there is no compiled twin here")
@pytest.mark.parametrize("count", [5_000, 100_000])
def test_a_compiled_ladder_takes_32_bytes_a_level(count: int) -> None:
    """At the most: when loaded, while a frame's worth of changes is applied, and after many."""
    rng = stream(8, f"{count}")
    ladder = ladder_of(Side.ASK, twin=LADDERS["compiled"])
    ladder.load((price, 1) for price in rng.sample(range(1, 2 * count), count))
    assert getsizeof(ladder) <= 20 * count
    middle = count
    for number in range(12 * min(count, 10_000)):
        middle += rng.choice((-3, 3))
        # Half of what is near is a level, and half of the changes remove one.
        price = max(1, middle + int(rng.uniform(-count, count) * rng.random()))
        ladder.set(price, 0 if ladder.get(price) else 1)
        if number % 1_000 == 0:
            assert getsizeof(ladder) <= 32 * len(ladder)
    ladder.verify()


@pytest.mark.skipif(not IS_BUILT, reason="there is no compiled twin here")
def test_a_compiled_ladder_that_changes_ends_its_iterators() -> None:
    """With an error, never with what is in the memory by now."""
    ladder = ladder_of(Side.ASK, *range(1, 1_000), twin=LADDERS["compiled"])
    levels = iter(ladder)
    next(levels)
    ladder.set(5, 0)
    with pytest.raises(RuntimeError, match="changed while"):
        next(levels)


@pytest.mark.parametrize(
    ("mode", "is_built", "expected"),
    [
        ("auto", False, "pure"),
        ("off", False, "pure"),
        ("off", True, "pure"),
        ("auto", True, "compiled"),
        ("require", True, "compiled"),
    ],
)
def test_the_mode_chooses_the_twin(mode: str, is_built: bool, expected: str) -> None:
    """Without a compiled twin, everything but ``require`` runs on the pure one."""
    assert expected == chosen(mode, is_built=is_built)


def test_a_required_accelerator_that_is_missing_is_an_error() -> None:
    """``require`` never falls back silently, and says what can be done."""
    with pytest.raises(ImportError, match="auto or off"):
        chosen("require", is_built=False)


@pytest.mark.parametrize("mode", [" ", "Auto", "on", "\udc80"])
@pytest.mark.parametrize("is_built", [False, True])
def test_an_unknown_mode_is_refused(mode: str, is_built: bool) -> None:
    """A misspelt value must not mean the default."""
    with pytest.raises(UsageError, match="ORDERBOOK_ACCELERATOR is auto, require or off"):
        chosen(mode, is_built=is_built)


@pytest.mark.parametrize("mode", [None, "auto", "off", "require"])
def test_the_environment_decides_at_import(mode: str | None) -> None:
    """A fresh interpreter follows ``ORDERBOOK_ACCELERATOR``, or says that it cannot."""
    environment = {name: value for name, value in os.environ.items() if name != "ORDERBOOK_ACCELERATOR"}
    environment |= {} if mode is None else {"ORDERBOOK_ACCELERATOR": mode}
    script = "from orderbook.ladder import Ladder; print(Ladder.__module__)"

    ran = subprocess.run([sys.executable, "-c", script], env=environment, check=False, capture_output=True, text=True)

    if mode == "require" and not IS_BUILT:
        assert "this installation has no compiled twin" in ran.stderr
    else:
        is_compiled = IS_BUILT and mode != "off"
        assert ("orderbook.compiled.ladder" if is_compiled else "orderbook.ladder.reference") == ran.stdout.strip()


@pytest.mark.parametrize("mode", ["REQUIRE", "bogus", "require"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["python", "-m", "orderbook", "info"],
        ["python", "-Im", "orderbook"],
        ["python", "-u", "/usr/bin/orderbook", "info"],
    ],
)
def test_the_command_line_says_in_one_line_what_is_wrong_with_the_mode(arguments: list[str], mode: str) -> None:
    """As with any mistake: no traceback, but a text as exit code, which the interpreter writes to stderr (and is 1)."""
    with pytest.raises(SystemExit) as caught:
        in_use({"ORDERBOOK_ACCELERATOR": mode}, arguments, is_built=False)

    told = str(caught.value.code)
    assert told.startswith("orderbook: error: ORDERBOOK_ACCELERATOR")
    assert "\n" not in told


@pytest.mark.parametrize(
    "arguments", [["python"], ["python", "-c", "import orderbook"], ["python", "-m", "pytest"], ["python", "bot.py"]]
)
def test_any_other_program_gets_an_exception(arguments: list[str]) -> None:
    """Whose caller may do with it what he likes."""
    with pytest.raises(UsageError, match="ORDERBOOK_ACCELERATOR is auto, require or off"):
        in_use({"ORDERBOOK_ACCELERATOR": "bogus"}, arguments, is_built=True)


@pytest.mark.parametrize("environment", [{}, {"ORDERBOOK_ACCELERATOR": ""}, {"ORDERBOOK_ACCELERATOR": "auto"}])
def test_empty_is_as_if_it_were_not_set(environment: dict[str, str]) -> None:
    """As shells have it, where a variable is cleared for one command."""
    assert ("compiled", "pure") == (in_use(environment, [], is_built=True), in_use(environment, [], is_built=False))
