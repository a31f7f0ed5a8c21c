"""Conditions on a book as data, and when one has come to hold: pure functions of a book and of a time handed in.

A condition has a *phase* at every moment: ``True`` or ``False``, or ``None`` where nobody can tell. A book that is not
LIVE is neither above a price nor below it, so the phase is ``None`` then (but for ``NotLive``, which is about just
that), and so it is where the number does not exist, such as the mid of a book with an empty side.

It *fires* when its phase turns to ``True``, and not again before it was ``False`` in between. ``None`` is no turn: what
held before a book was lost, and holds when it is LIVE again, does not fire again. What holds at the first look fires
there. With ``for_s`` it must have held for so long, and all of that time LIVE; whatever breaks that off, it begins
anew. Only a crossing is different: it fires with every change of side, and never at the first look.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from decimal import Decimal
from fractions import Fraction
from inspect import isawaitable, iscoroutine
from typing import ClassVar, Final, Literal, TypeVar, get_args

from orderbook.book import OrderBook
from orderbook.errors import NumberError, UsageError, shown
from orderbook.fixedpoint import parse_number
from orderbook.reader import Reader
from orderbook.results import BookView

V = TypeVar("V")
Q = TypeVar("Q")

Operator = Literal[">", ">=", "<", "<="]
Phase = bool | None
"""Whether a condition holds, or on which side a number stands; ``None``: nobody can tell."""
Test = Callable[[BookView[float]], object]
"""What a user asks of a view; the answer counts as true or false."""

OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)
PRICES: Final = ("best_bid", "best_ask", "mid", "microprice", "spread")
"""What is measured in quote currency per unit of base; ``spread_bps`` in basis points, ``imbalance`` from -1 to 1."""
QUANTITIES: Final = (*PRICES, "spread_bps", "imbalance")
LEVELS_MAX: Final = 10_000
FOR_MAX_S: Final = 86_400.0
"""A day: what shall hold for longer is no alert."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that a book has: one of ``QUANTITIES``, and over how many levels a side if it is the imbalance.

    Raises:
        UsageError: There is none of that name, or levels are missing, too many, or mean nothing there.
    """

    name: str
    levels: int | None = None

    def __post_init__(self) -> None:
        if self.name not in QUANTITIES:
            raise UsageError(f"a quantity is one of {', '.join(QUANTITIES)}, not {shown(self.name)}")
        if self.name != "imbalance":
            if self.levels is not None:
                raise UsageError(f"{self.name} is not taken over levels; only imbalance is")
        elif type(self.levels) is not int or not 1 <= self.levels <= LEVELS_MAX:
            raise UsageError(f"imbalance is taken over 1 to {LEVELS_MAX} levels a side, not {shown(self.levels)}")

    def __str__(self) -> str:
        return self.name if self.levels is None else f"{self.name}({self.levels})"

    def of(self, book: OrderBook) -> float | None:
        """The number, correctly rounded; ``None`` if a side that it needs is empty.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: It reaches past what is known of the book.

        Complexity: O(levels).
        """
        return self._read(book)

    def beside(self, book: OrderBook, threshold: Decimal) -> int | None:
        """1 where the number is above a fixed one, -1 below, 0 where both are the same; else as ``of``.

        Rounding never swaps two numbers, so their floats tell, unless these are equal: then the exact ones do.
        """
        value, wanted = self.of(book), float(threshold)
        if value is None or value != wanted:
            return None if value is None else (value > wanted) - (value < wanted)
        unit = 10**book.price_decimals if self.name in PRICES else 1
        exact, fixed = Fraction(self._read(book.raw) or 0), Fraction(threshold) * unit
        return (exact > fixed) - (exact < fixed)

    def _read(self, reader: Reader[V, Q]) -> V | Q | None:
        if self.levels is not None:
            return reader.imbalance(levels=self.levels)
        if self.name in ("best_bid", "best_ask"):
            level = reader.best_bid if self.name == "best_bid" else reader.best_ask
            return None if level is None else level.price
        number: V | Q | None = getattr(reader, self.name)
        return number


@dataclass(frozen=True, slots=True)
class Condition(ABC):
    """What a book can fulfil or not. ``str`` says which; of a ready-made one it is how it is written.

    Attributes:
        for_s: It has to hold for so long, in seconds, before it fires.
        is_about_state: It can be told of a book that is not LIVE, too.

    Raises:
        UsageError: One of its parts cannot be.
    """

    is_about_state: ClassVar[bool] = False

    _: KW_ONLY
    for_s: float = 0.0

    def __post_init__(self) -> None:
        value = self.for_s
        if type(value) not in (int, float) or not 0 <= value <= FOR_MAX_S:
            raise UsageError(f"for_s is a number of seconds from 0 to {FOR_MAX_S:.0f}, not {shown(value)}")

    @abstractmethod
    def phase(self, book: OrderBook) -> Phase:
        """What is so at this moment; ``None``: nobody can tell. Asked of a LIVE book only, unless ``is_about_state``.

        Raises:
            BookNotLive: The book cannot be trusted at this moment.
            BeyondHorizon: It reaches past what is known of the book.
        """

    def turns(self, before: Phase, now: Phase) -> bool:
        """Whether going from one phase to another (from ``None``: the first one) makes it fire. O(1)."""
        return now is True and before is not True

    def value(self, _book: OrderBook) -> float | None:
        """The number that it is about, if there is one; raises as ``phase``."""
        return None

    def _lasting(self) -> str:
        return f" for {_written(Decimal(repr(float(self.for_s))))}s" if self.for_s else ""


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """A number is greater or less than a fixed one: ``Compare(Quantity("spread_bps"), ">", Decimal(5))``."""

    quantity: Quantity
    operator: Operator
    threshold: Decimal

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        _check_threshold(self.threshold)
        if self.operator not in OPERATORS:
            raise UsageError(f"an operator is one of {', '.join(OPERATORS)}, not {shown(self.operator)}")

    def phase(self, book: OrderBook) -> Phase:
        """Whether it is so; ``None`` if a side that it needs is empty. O(levels)."""
        side = self.quantity.beside(book, self.threshold)
        if side is None:
            return None
        return side == (1 if self.operator[0] == ">" else -1) or (side == 0 and self.operator[1:] == "=")

    def value(self, book: OrderBook) -> float | None:
        """The number."""
        return self.quantity.of(book)

    def __str__(self) -> str:
        return f"{self.quantity} {self.operator} {_written(self.threshold)}{self._lasting()}"


@dataclass(frozen=True, slots=True)
class Crosses(Condition):
    """A number went from one side of a fixed one to the other.

    Its phase is the side, ``True`` above. Standing exactly on the fixed number is no side: what comes back from there
    has not crossed. What was below when the book was lost, and is above when it is LIVE again, has crossed, at whatever
    moment that was. A crossing takes no time, so there is no ``for_s``.
    """

    quantity: Quantity
    threshold: Decimal

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        if self.for_s:
            raise UsageError("a crossing takes no time, so it cannot last: compare with > or < to have it hold")

    def phase(self, book: OrderBook) -> Phase:
        """Whether it is above; ``None`` if on the spot, or a side that it needs is empty. O(levels)."""
        side = self.quantity.beside(book, self.threshold)
        return None if not side else side > 0

    def turns(self, before: Phase, now: Phase) -> bool:
        """Any change of side is one."""
        return before is not None and now is not before

    def value(self, book: OrderBook) -> float | None:
        """The number."""
        return self.quantity.of(book)

    def __str__(self) -> str:
        return f"{self.quantity} crosses {_written(self.threshold)}"


@dataclass(frozen=True, slots=True)
class NotLive(Condition):
    """The book may not be read, for whatever reason; before it was LIVE for the first time, too."""

    is_about_state: ClassVar[bool] = True

    def phase(self, book: OrderBook) -> bool:
        """Whether it is so. O(1)."""
        return not book.is_live

    def __str__(self) -> str:
        return f"not live{self._lasting()}"


@dataclass(frozen=True, slots=True)
class Predicate(Condition):
    """What a function of the user's says of a view of so many levels.

    Raises:
        UsageError: It cannot be called; or, when it is asked, it is a coroutine function, of which nobody would await
            the answer.
    """

    test: Test
    levels: int = 1

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        if not callable(self.test):
            raise UsageError(f"a condition is a text, a Condition or a function of a view, not {shown(self.test)}")

    def phase(self, book: OrderBook) -> Phase:
        """Whether it says yes; raises whatever it raises."""
        view = book.view(self.levels)
        if not view.is_live:
            return None
        answer = self.test(view)
        if isawaitable(answer):
            if iscoroutine(answer):
                answer.close()
            raise UsageError(f"{self} is awaited by nobody: a condition is a plain function")
        return bool(answer)

    def __str__(self) -> str:
        return f"{getattr(self.test, '__qualname__', type(self.test).__name__)}{self._lasting()}"


def _check_threshold(value: Decimal) -> None:
    if not isinstance(value, Decimal):
        raise UsageError(f"a threshold is a Decimal, not {shown(value)}")
    try:
        parse_number(str(value.copy_abs()))
    except NumberError as error:
        raise UsageError(f"a threshold is a number that a book could have, not {error.value}") from None


def _written(value: Decimal) -> str:
    # Never with an exponent, and without the zeros behind.
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a condition fires: what has to be known of the past for that.

    Attributes:
        condition: Which.
        before: Its last phase that anybody could tell.
        since_ns: It holds since then, and is to fire when that has lasted.
    """

    condition: Condition
    before: Phase = None
    since_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When it is to be looked at again because it may have lasted by then; ``None``: with the next update only."""
        return None if self.since_ns is None else self.since_ns + round(self.condition.for_s * 1e9)

    def after(self, phase: Phase, now_ns: int, *, is_due: bool) -> tuple[Trigger, bool]:
        """The same after one more look, and whether it fires there.

        Args:
            phase: The condition's.
            now_ns: Of a monotonic clock.
            is_due: This look was called for by ``due_ns``, and everything that came until then has been looked at.
                Only then what lasts is known to have lasted: after a pause of the program, what comes first may still
                show it as it was, and what comes next that it had ended long ago.

        Complexity: O(1).
        """
        if phase is None:
            return (self if self.since_ns is None else replace(self, since_ns=None)), False
        if not self.condition.turns(self.before, phase):
            same = phase is self.before and self.since_ns is None
            return (self if same else Trigger(self.condition, phase)), False
        if not self.condition.for_s:
            return Trigger(self.condition, phase), True
        if self.due_ns is None:
            return replace(self, since_ns=now_ns), False
        if is_due and now_ns >= self.due_ns:
            return Trigger(self.condition, phase), True
        return self, False
