"""What ``orderbook simulate`` tells of a capture that it plays: how long that takes, and that it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orderbook.simulator.capture import CaptureMarket
from orderbook.ui.pieces import duration

NAMED_MAX: Final = 5


class Playback:
    """A capture that is played as a market.

    Args:
        path: The capture.
        market: Its symbols, before anything is played.
        speed: How much faster than recorded.
        repeat: Whether it is played again and again.
    """

    def __init__(self, path: Path, market: Mapping[str, CaptureMarket], *, speed: float, repeat: bool) -> None:
        self.market = market
        self._path = path
        self._speed = speed
        self._repeat = repeat
        self._length_s = max(one.duration_ns for one in market.values()) / 1e9
        self._is_told = False

    @property
    def is_over(self) -> bool:
        """Whether no delta comes any more."""
        return not self._repeat and not any(one.remaining for one in self.market.values())

    def announced(self) -> Iterator[str]:
        """How long it is, and which symbols are shorter than what was recorded; a line each."""
        paced = "" if self._speed == 1 else f", {duration(self._length_s * self._speed * 1e3)} as recorded"
        then = "then it begins again" if self._repeat else "then nothing moves any more"
        yield f"It plays {self._path}: {duration(self._length_s * 1e3)}{paced}; {then}."
        if cut := [symbol for symbol, one in self.market.items() if one.gap_at is not None]:
            more = f" and {len(cut) - NAMED_MAX} more" if len(cut) > NAMED_MAX else ""
            yield f"Deltas are missing in it: {', '.join(cut[:NAMED_MAX])}{more} ends there, before the others."

    def described(self) -> dict[str, Any]:
        """The same for programs."""
        holes = {symbol: one.gap_at for symbol, one in self.market.items() if one.gap_at is not None}
        return {
            "file": str(self._path),
            "seconds": round(self._length_s, 3),
            "speed": self._speed,
            "repeat": self._repeat,
            "holes": holes,
        }

    def news(self) -> str | None:
        """That it is over, once; else ``None``."""
        if self._is_told or not self.is_over:
            return None
        self._is_told = True
        return f"{self._path} is at its end: nothing moves any more, clients stay connected; --repeat plays it again."
