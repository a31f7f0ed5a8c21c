"""How an exact expectation, a fraction, must look in each of the three forms."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from orderbook.book import OrderBook

FORMS = ("float", "exact", "raw")


def reader(book: OrderBook, form: str) -> Any:
    """The reader of a book that answers in this form."""
    return book if form == "float" else getattr(book, form)


def decimals_of(book: OrderBook) -> dict[str, int]:
    """The scales, by kind of number: ``quote`` is a price times a size, ``one`` has no unit."""
    price, size = book.content.price_decimals, book.content.size_decimals
    return {"price": price, "size": size, "quote": price + size, "one": 0}


def argument(book: OrderBook, form: str, value: Fraction, kind: str) -> Fraction:
    """An exact number, as an argument of a query in this form."""
    return value * 10 ** decimals_of(book)[kind] if form == "raw" else value


def check_value(book: OrderBook, form: str, kind: str, expected: Fraction | None, actual: Any) -> None:
    """A price, a size or a sum of them: exact in its form; the float is the nearest one."""
    if expected is None:
        assert actual is None
    elif form == "float":
        assert (float, float(expected)) == (type(actual), actual)
    elif form == "exact":
        assert (Decimal, expected) == (type(actual), Fraction(actual))
    else:
        assert (int, expected * 10 ** decimals_of(book)[kind]) == (type(actual), actual)


def check_quotient(book: OrderBook, form: str, kind: str, expected: Fraction | None, actual: Any) -> None:
    """The outcome of a division: exact in raw units, the nearest float, or within 50 digits."""
    if expected is None or form == "float":
        check_value(book, form, kind, expected, actual)
    elif form == "exact":
        assert type(actual) is Decimal
        # Half a unit in the 50th digit; nothing at all where 50 digits are enough.
        assert abs(Fraction(actual) - expected) <= abs(expected) / 10**49 / 2
        if (expected * 10**40).denominator == 1 and abs(expected) < 10**9:
            assert expected == Fraction(actual)
    else:
        assert (Fraction, expected * 10 ** decimals_of(book)[kind]) == (type(actual), actual)


def check_level(book: OrderBook, form: str, expected: tuple[Fraction, Fraction] | None, actual: Any) -> None:
    """A level, or none."""
    if expected is None:
        assert actual is None
        return
    check_value(book, form, "price", expected[0], actual.price)
    check_value(book, form, "size", expected[1], actual.size)


def check_levels(book: OrderBook, form: str, expected: list[tuple[Fraction, Fraction]], actual: Any) -> None:
    """Several levels, in order."""
    assert len(expected) == len(actual)
    for one, other in zip(expected, actual, strict=True):
        check_level(book, form, one, other)


def check_array(book: OrderBook, form: str, expected: list[tuple[Fraction, Fraction]], actual: Any) -> None:
    """Levels as rows of price and size."""
    assert (len(expected), 2) == actual.shape
    kind = {"float": "float64", "exact": "object", "raw": "int64"}[form]
    fits = all(size * 10 ** decimals_of(book)["size"] < 2**63 for _, size in expected)
    assert (kind if fits or form != "raw" else "object") == actual.dtype
    for (price, size), row in zip(expected, actual.tolist(), strict=True):
        check_value(book, form, "price", price, row[0])
        check_value(book, form, "size", size, row[1])
