"""What trades add up to: the last one, candles of every length, and what the last hours brought. All of it is exact."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from orderbook.simulator.matching import Deal

MINUTE_S: Final = 60
DAY_S: Final = 86_400
INTERVALS_S: Final = MappingProxyType(
    {
        **{f"{number}min": number * MINUTE_S for number in (1, 3, 5, 15, 30)},
        **{f"{number}hour": number * 3_600 for number in (1, 2, 4, 6, 8, 12)},
        "1day": DAY_S,
        "1week": 7 * DAY_S,
    }
)
"""Length of each candle, by the venue's word for it. All begin at multiples of their length since 1970: our reading."""
DEALS_MAX: Final = 20_000
"""Trades that a tape remembers one by one."""
_EXACT: Final = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one interval: ``volume`` in base, ``turnover`` in quote currency."""

    start_s: int
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal = Decimal(0)
    turnover: Decimal = Decimal(0)

    @classmethod
    def flat(cls, start_s: int, price: Decimal) -> Candle:
        """One without trades."""
        return cls(start_s, price, price, price, price)

    def joined(self, price: Decimal, size: Decimal) -> Candle:
        """The same with one more trade."""
        return replace(
            self,
            close=price,
            high=max(self.high, price),
            low=min(self.low, price),
            volume=_EXACT.add(self.volume, size),
            turnover=_EXACT.add(self.turnover, _EXACT.multiply(price, size)),
        )


class Told(NamedTuple):
    """A candle that has to be told, and whether it is a new one."""

    interval: str
    candle: Candle
    is_new: bool


class Tape:
    """The trades of one symbol, from when somebody first asked for anything that they decide.

    Attributes:
        deals: The last ``DEALS_MAX`` trades, each with its time in ns of the venue's wall clock.
        last: The last one.
        candles: The present one of each interval.
    """

    def __init__(self) -> None:
        self.deals: deque[tuple[int, Deal]] = deque(maxlen=DEALS_MAX)
        self.candles: dict[str, Candle] = {}
        self._minutes: deque[Candle] = deque(maxlen=DAY_S // MINUTE_S)

    @property
    def last(self) -> Deal | None:
        """The last trade."""
        return self.deals[-1][1] if self.deals else None

    def record(self, deals: Iterable[Deal], wall_ns: int) -> list[Told]:
        """Write down the trades of one moment.

        Returns:
            The candles that are new or changed, each as it stands after all of them.

        Complexity: O(trades), each with every interval.
        """
        changed: dict[tuple[str, int], Told] = {}
        for deal in deals:
            self.deals.append((wall_ns, deal))
            price, size = Decimal(deal.price), Decimal(deal.size)
            for interval, length_s in INTERVALS_S.items():
                for told in self._counted(interval, length_s, price, size, wall_ns // 1_000_000_000):
                    key = (interval, told.candle.start_s)
                    is_new = told.is_new or (key in changed and changed[key].is_new)
                    changed[key] = told._replace(is_new=is_new)
        return list(changed.values())

    def _counted(self, interval: str, length_s: int, price: Decimal, size: Decimal, now_s: int) -> Iterator[Told]:
        before = self.candles.get(interval)
        start_s = now_s - now_s % length_s
        # A clock that was set back leads into no candle that is over.
        if before is not None and start_s <= before.start_s:
            candle = before.joined(price, size)
        else:
            if before is not None and start_s - before.start_s > length_s:
                # As recorded: with the first trade after a pause comes the candle before it, which is flat.
                yield Told(interval, Candle.flat(start_s - length_s, before.close), is_new=True)
            if before is not None and length_s == MINUTE_S:
                self._minutes.append(before)
            candle = Candle.flat(start_s, price).joined(price, size)
        self.candles[interval] = candle
        yield Told(interval, candle, is_new=before is None or start_s > before.start_s)

    def lately(self, now_s: int, span_s: int) -> Candle | None:
        """The last ``span_s`` as one candle, of whole minutes; ``None`` if nothing was traded. O(minutes)."""
        since_s = now_s - span_s
        present = [self.candles["1min"]] if self.candles else []
        minutes = [one for one in (*self._minutes, *present) if one.start_s > since_s]
        if not minutes:
            return None
        whole = minutes[0]
        for one in minutes[1:]:
            whole = Candle(
                whole.start_s,
                whole.open,
                one.close,
                max(whole.high, one.high),
                min(whole.low, one.low),
                _EXACT.add(whole.volume, one.volume),
                _EXACT.add(whole.turnover, one.turnover),
            )
        return whole
