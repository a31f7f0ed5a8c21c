"""What a book says about itself, and the refusal that follows from it.

``Guard`` holds the state and the content of one book; ``Status`` is what every reader of it shows in any state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orderbook.content import BookContent
from orderbook.errors import BookNotLive, UsageError, shown
from orderbook.twin import GuardState, PulseState, ReaderState, refuse_copy
from orderbook.types import BookState

F = TypeVar("F")

Clock = Callable[[], int]
"""A monotonic clock: ns since any fixed moment."""


class Pulse(PulseState):
    """When something was last heard on a link. Books that live on one link share it.

    Attributes:
        heard_ns: In ns of the clock; ``None``: never.
        in_doubt: What is read from the link may have waited for long, so it does not make anything fresh.
    """

    __slots__ = ()

    __reduce_ex__ = refuse_copy


class Guard(GuardState[BookContent, Pulse]):
    """The state of one book, and its content behind it.

    All readers of a book share its guard; nobody keeps the content itself for longer than one question, so a
    reference that was taken earlier is guarded just the same.

    Attributes:
        symbol: Whose book.
        content, pulse, is_plain, is_kept: See ``GuardState``.
        epoch: How many times the book was built from a snapshot.
    """

    __slots__ = (
        "_max_age_ns",
        "_touches_before",
        "epoch",
        "symbol",
    )

    __reduce_ex__ = refuse_copy

    def __init__(
        self, symbol: str, clock: Clock | None = None, max_age_ms: int | None = None, pulse: Pulse | None = None
    ) -> None:
        if max_age_ms is not None:
            if clock is None:
                raise UsageError("max_age_ms needs a clock to be judged by")
            if type(max_age_ms) is not int or max_age_ms < 1:
                raise UsageError(f"max_age_ms is a whole number of at least 1, not {shown(max_age_ms)}")
        self.symbol = symbol
        self.content = BookContent()
        self.epoch = 0
        self.pulse = pulse or Pulse()
        self.is_kept = False
        self._clock = clock
        self._max_age_ns = None if max_age_ms is None else max_age_ms * 1_000_000
        self._touches_before = 0
        self.mark(BookState.CONNECTING, "no snapshot yet", 0)

    def mark(self, state: BookState, reason: str, since_ns: int) -> None:
        """Set the state. O(1)."""
        self._marked = (state, reason, since_ns)
        self.is_plain = state is BookState.LIVE and self._max_age_ns is None

    @property
    def marked_state(self) -> BookState:
        """The state as it was set, whatever the clock says."""
        return self._marked[0]

    def status(self) -> tuple[BookState, str, int]:
        """State, reason and since when (ns): as set, or STALE when LIVE but older than ``max_age_ms``. O(1)."""
        if self._max_age_ns is None or self._marked[0] is not BookState.LIVE:
            return self._marked
        heard_ns, age_ns = self.pulse.heard_ns, self.age_ns()
        if heard_ns is None or age_ns is None:
            return BookState.STALE, "nothing heard yet", 0
        if age_ns <= self._max_age_ns:
            return self._marked
        return BookState.STALE, f"nothing heard for {age_ns // 1_000_000} ms", heard_ns + self._max_age_ns

    def now_ns(self) -> int:
        """The clock's time, 0 without a clock."""
        return 0 if self._clock is None else self._clock()

    def hear(self) -> None:
        """Something was heard now, as far as there is a clock to say when."""
        if self._clock is not None:
            self.pulse.heard_ns = self._clock()

    def age_ns(self) -> int | None:
        """Time since something was heard; ``None`` without a clock, or when nothing was heard yet."""
        if self._clock is None or self.pulse.heard_ns is None:
            return None
        return max(0, self._clock() - self.pulse.heard_ns)

    def live_content(self) -> BookContent:
        """The content, if it may be trusted at this moment.

        Raises:
            BookNotLive: It may not.

        Complexity: O(1).
        """
        if self.is_plain:
            return self.content
        state, reason, since_ns = self.status()
        if state is not BookState.LIVE:
            raise BookNotLive(self.symbol, state, reason, since_ns, self.epoch > 0)
        return self.content

    @property
    def touch_count(self) -> int:
        """How often the touch changed in the whole life of the book. Each content counts anew; this never falls."""
        return self._touches_before + self.content.touch_count

    def install(self, content: BookContent) -> None:
        """Put a new inside in; a touch that differs from the old one counts as one change. O(1)."""
        changed = _touch(content) != _touch(self.content)
        self._touches_before = self.touch_count + changed - content.touch_count
        self.content = content


def _touch(content: BookContent) -> tuple[str, ...]:
    """The best levels as plain text, which does not depend on the scales."""
    touch: list[str] = []
    for best in (content.bids.best(), content.asks.best()):
        touch += ("", "") if best is None else (content.price_text(best[0]), content.size_text(best[1]))
    return tuple(touch)


class Status(ReaderState[F]):
    """What can be asked of a book in any state: nothing here ever raises, and all of it is O(1)."""

    __slots__ = ()

    _guard: Guard

    __reduce_ex__ = refuse_copy

    @property
    def symbol(self) -> str:
        """Whose book."""
        return self._guard.symbol

    @property
    def state(self) -> BookState:
        """The state at this moment; a LIVE book reads as STALE once it is older than ``max_age_ms``."""
        return self._guard.status()[0]

    @property
    def reason(self) -> str:
        """Why it is in that state, in words."""
        return self._guard.status()[1]

    @property
    def is_live(self) -> bool:
        """Whether the book may be trusted at this moment."""
        return self._guard.status()[0] is BookState.LIVE

    @property
    def sequence(self) -> int:
        """The venue's sequence that the levels stand at; 0 before the first snapshot."""
        return self._guard.content.sequence

    @property
    def epoch(self) -> int:
        """How many times the book was built from a snapshot."""
        return self._guard.epoch

    @property
    def touch_count(self) -> int:
        """How many times the best price or size of a side changed; it never falls."""
        return self._guard.touch_count

    @property
    def venue_ms(self) -> int | None:
        """The venue's time of the last change, in ms since 1970; ``None`` where it sends none."""
        return self._guard.content.venue_ms

    @property
    def price_decimals(self) -> int:
        """Raw prices are in units of ``10**-price_decimals``. It grows when a finer price comes."""
        return self._guard.content.price_decimals

    @property
    def size_decimals(self) -> int:
        """Raw sizes are in units of ``10**-size_decimals``. It grows when a finer size comes."""
        return self._guard.content.size_decimals
