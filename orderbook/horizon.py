"""What of a side is known for certain: its levels up to and including the horizon.

Past the horizon a ladder may hold levels that deltas brought, with unknown ones between them; they are never handed
out. So whatever is answered is a true beginning of the venue's ladder, at most marked as a partial one.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from orderbook.content import BookContent, RawLevel
from orderbook.errors import BeyondHorizon
from orderbook.fixedpoint import RAW_MAX
from orderbook.queries import last_price_within
from orderbook.types import Side


def beyond(symbol: str, content: BookContent, side: Side) -> BeyondHorizon:
    """The error to raise for a question that reaches past the horizon of ``side``."""
    return BeyondHorizon(symbol, side, content.price_text(content.horizon[side] or 0))


def is_past(content: BookContent, side: Side, price: Fraction | int) -> bool:
    """Whether a raw price lies past the horizon; never without one. O(1)."""
    horizon = content.horizon[side]
    return horizon is not None and side.value * price > side.value * horizon


def best(content: BookContent, side: Side) -> tuple[RawLevel | None, bool]:
    """The best level, and whether the horizon hides it: a side may have lost all its trusted levels. O(1)."""
    level = content.ladder(side).best()
    if level is None:
        return None, content.horizon[side] is not None
    return (None, True) if is_past(content, side, level[0]) else (level, False)


def top(content: BookContent, side: Side, n: int) -> tuple[list[RawLevel], bool]:
    """At most ``n`` trusted levels, and whether the horizon cut them short. O(n + log of all levels)."""
    trusted_count = content.trusted_count(side)
    levels = content.ladder(side).top(min(n, trusted_count))
    return levels, n > trusted_count and content.horizon[side] is not None


def everything(content: BookContent, side: Side) -> Iterator[RawLevel]:
    """All trusted levels, best first. O(1) a level."""
    horizon = content.horizon[side]
    ladder = content.ladder(side)
    return iter(ladder) if horizon is None else ladder.to(horizon)


def up_to(content: BookContent, side: Side, limit: Fraction) -> tuple[Iterator[RawLevel], bool]:
    """Trusted levels up to a raw price inclusive, and whether that price lies past the horizon. O(1) a level."""
    if is_past(content, side, limit):
        return everything(content, side), True
    price = last_price_within(side, limit)
    if price > RAW_MAX and side is Side.BID:
        return iter(()), False
    # Ladders take 63-bit prices: 0 lies past every bid, RAW_MAX past every ask.
    return content.ladder(side).to(min(max(price, 0), RAW_MAX)), False
