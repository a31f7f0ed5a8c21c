"""The inside of a book on the reference ladders, also where the compiled twin is in use: what all is compared with."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final, cast

from orderbook.content import BookContent
from orderbook.ladder import reference
from orderbook.twin import pure
from orderbook.types import Side


class _PureState(pure.ContentState):
    """The plain attributes, and the reference ladders."""

    def __init__(self) -> None:
        super().__init__()
        self.bids = reference.Ladder(Side.BID)
        self.asks = reference.Ladder(Side.ASK)


def _borrowed() -> dict[str, Any]:
    """The methods of ``BookContent`` that stand in Python."""
    kinds = (FunctionType, classmethod, property)
    return {name: value for name, value in vars(BookContent).items() if isinstance(value, kinds)}


Reference: Final = cast("type[BookContent]", type("Reference", (_PureState,), _borrowed()))
"""``BookContent`` in which no native code has a part."""


def copied(content: BookContent) -> BookContent:
    """A reference with the same in it."""
    copy = Reference()
    for side in Side:
        copy.ladder(side).load(content.ladder(side))
        copy.horizon[side], copy.seeded[side] = content.horizon[side], content.seeded[side]
    for name in _SCALARS:
        setattr(copy, name, getattr(content, name))
    return copy


_SCALARS: Final = (
    *("price_decimals", "size_decimals", "sequence", "venue_ms"),
    *("touch_count", "price_zero_count", "remove_absent_count"),
)
_BID: Final = Side.BID
_ASK: Final = Side.ASK


def facts(content: BookContent) -> tuple[object, ...]:
    """Everything that a content says of itself, but for its levels."""
    return (
        content.sequence,
        content.price_decimals,
        content.size_decimals,
        content.touch_count,
        content.price_zero_count,
        content.remove_absent_count,
        content.venue_ms,
        content.horizon[_BID],
        content.horizon[_ASK],
        content.seeded.copy(),
    )


def levels(content: BookContent) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Its bids and asks."""
    return list(content.bids), list(content.asks)
