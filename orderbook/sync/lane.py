"""Where ``BookSync`` takes frames: the lane of the compiled twin, or the pure one, which is never open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orderbook.accelerator import ACCELERATOR
from orderbook.book import OrderBook
from orderbook.events import Event
from orderbook.settings import SyncSettings
from orderbook.venues.layout import Layout
from orderbook.venues.wire import Frame

__all__ = ["Lane", "PureLane", "Taken"]


class Taken(NamedTuple):
    """What a lane took since the last time.

    Attributes:
        frame_count: How many frames, all of them applied.
        last_ns: When the last one came; 0: without a time.
        heard_ns: When the last one with a time came; 0: none had.
        price_zeros: Rows of price 0.
        absent: Removals of what was not there.
        frames: The last ones, as they came off the wire.
    """

    frame_count: int
    last_ns: int
    heard_ns: int
    price_zeros: int
    absent: int
    frames: tuple[bytes | str, ...]


class PureLane:
    """What ``BookSync`` is made of where it takes frames.

    The compiled lane applies plain frames that continue a LIVE book by itself, while it is open. This one leaves all to
    ``_receive``.
    """

    def receive(self, frame: Frame, received_ns: int = 0) -> tuple[Event, ...]:
        """Take one WebSocket message as it came off the wire, whatever it is.

        A message of another symbol or topic is counted as ignored; that something was heard counts all the same.

        Args:
            frame: Bytes, any buffer of bytes, or text.
            received_ns: When it was read; 0 without a clock.

        Returns:
            What there is to tell, oldest first; empty when a delta was simply applied.

        Raises:
            UsageError: ``frame`` is neither text nor a buffer of bytes. Never for any content.
        """
        return self._receive(frame, received_ns)

    def offer(self, frame: Frame, received_ns: int) -> tuple[Event, ...] | None:
        """Take a frame if that needs nobody's decision: a plain one, with a time stamp, that continues a LIVE book.

        For a driver that serves many books from one link, and guesses whose a frame is before it decodes it.

        Returns:
            As ``receive``; ``None`` if it was not taken, and then nothing has happened.
        """

    if TYPE_CHECKING:

        def _receive(self, frame: Frame, received_ns: int) -> tuple[Event, ...]: ...

    def _lay(self, layout: Layout | None, symbol: str, settings: SyncSettings, *, is_observed: bool) -> None:
        """Say once what frames look like, and their bounds.

        Args:
            layout: Of frames with deltas; without one the lane never opens.
            symbol: Of the book.
            settings: The bounds.
            is_observed: Whether ``_observe`` is to be called with each frame that was taken.
        """

    def _open(self, book: OrderBook, fewest: tuple[int, int]) -> None:
        """From now on frames may continue what the book holds.

        Args:
            book: The book. The machine is asked again when somebody gives it another pulse.
            fewest: Of bids and asks, how many levels there must be up to the horizon.
        """

    def _close(self) -> None:
        """No frame is taken before it is opened again."""

    def _hand_over(self) -> Taken | None:
        """What was taken since the last time; ``None``: nothing."""
        return None


if TYPE_CHECKING or ACCELERATOR == "pure":
    Lane = PureLane
else:
    from orderbook.compiled.lane import Lane

    for _name in ("receive", "offer"):
        getattr(Lane, _name).__doc__ = getattr(PureLane, _name).__doc__
