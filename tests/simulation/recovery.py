"""Is a book lost only where something went wrong, and not for longer than it takes? In runs of which that can be asked.

Where the link stays and the venue answers, every loss of LIVE has its cause in the ledger of injected faults, and ends
soon after the last of them. When all is healed, no book is lost any more at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orderbook.events import StateChanged
from orderbook.feed.events import FeedEvent, LinkDown
from orderbook.simulator.injector import Ledger
from orderbook.types import BookState
from tests.simulation.readers import Broken
from tests.simulation.terms import RETRY_MAX_MS, Terms
from tests.unchecked import hook

LOSSES_A_FAULT: Final = 2
"""One fault may open a hole, and what was kept back another one when it comes."""
CALM_NS: Final = 250_000_000
"""Right after a fault nothing is asked: a hole is waited for, and a snapshot is fetched."""
LIVE_SHARE: Final = 0.3
"""Of the time in which its topic is not dead, a book can be read for at least so much: with ten faults a second it is
about half."""
POLLS_MIN: Final = 40
"""Looks before that is judged."""
_UNANSWERED: Final = "no answer of the venue says why"
_MS: Final = 1_000_000


@dataclass(slots=True)
class _Loss:
    """One book that is not LIVE: since when, when its stream was struck last, and how long it was left alone."""

    since_ns: int
    struck_ns: int
    calm_ns: int = 0


class Recovery:
    """Watches when books are lost, and when they are back.

    Args:
        symbols: Those of the run.
        terms: What may be asked of it.
        ledger: What is injected; from now on noted here, too.
        now_ns: The clock.
        broken: Told of breaches.

    Attributes:
        is_healed: Set when all is well again: from then on no book is lost.
        unseen: But these may be, once: the venue counts anew in them, and only their next delta will show it.
        terms: What may be asked of the run.
        longest_ms: The longest that a book was lost while nothing struck it.
    """

    def __init__(
        self, symbols: Sequence[str], terms: Terms, ledger: Ledger, now_ns: Callable[[], int], broken: Broken
    ) -> None:
        self.is_healed = False
        self.unseen: frozenset[str] = frozenset()
        self.longest_ms = 0.0
        self._symbols = symbols
        self.terms = terms
        self._now_ns = now_ns
        self._broken = broken
        self._strikes: Counter[str] = Counter()
        self._lost: dict[str, _Loss] = {}
        self._losses: Counter[str] = Counter()
        self._live: set[str] = set()
        self._polls: Counter[str] = Counter()
        self._live_polls: Counter[str] = Counter()
        self._polled_ns = 0
        self._noted = ledger.note
        hook(ledger, "note", self._note)

    def _note(self, at_ns: int, fault: str, *, symbol: str | None = None, **about: Any) -> None:
        self._noted(at_ns, fault, symbol=symbol, **about)
        if symbol is None:
            return
        self._strikes[symbol] += 1
        if (loss := self._lost.get(symbol)) is not None:
            loss.calm_ns += self.terms.calm_ns(symbol, loss.struck_ns + CALM_NS, at_ns)
            loss.struck_ns = at_ns

    def hear(self, event: FeedEvent) -> None:
        """Something was told."""
        change, symbol = event.event, event.symbol
        if self.is_healed and isinstance(change, LinkDown):
            # A connection that died before that is noticed only now.
            self.is_healed = False
        if not isinstance(change, StateChanged) or symbol is None:
            return
        if change.new is BookState.LIVE:
            self._live.add(symbol)
        else:
            self._live.discard(symbol)
        if change.old is BookState.LIVE and change.new is not BookState.CLOSED:
            self._lose(symbol, change.reason)
        elif change.new is BookState.LIVE and symbol in self._lost:
            self._judge(symbol)
            del self._lost[symbol]

    def _lose(self, symbol: str, reason: str) -> None:
        now_ns = self._now_ns()
        self._lost[symbol] = _Loss(now_ns, now_ns)
        self._losses[symbol] += 1
        if self.is_healed and _UNANSWERED not in reason:
            if symbol not in self.unseen:
                self._broken("I5", symbol, f"lost when all was healed: {reason}")
            self.unseen -= {symbol}
        allowed = self._strikes[symbol] * max(LOSSES_A_FAULT, self.terms.shuffled)
        if self.terms.is_plain and self._losses[symbol] > allowed:
            self._broken(
                "I5", symbol, f"lost {self._losses[symbol]} times by {self._strikes[symbol]} faults, last: {reason}"
            )

    def poll(self) -> None:
        """Time has passed: is any book lost for too long?"""
        for symbol in self._lost:
            self._judge(symbol)
        before_ns, self._polled_ns = self._polled_ns, self._now_ns()
        for symbol in self._symbols if self.terms.is_plain else ():
            if self.terms.calm_ns(symbol, before_ns, self._polled_ns):
                self._polls[symbol] += 1
                self._live_polls[symbol] += symbol in self._live

    def finish(self) -> None:
        """The faults are over: could the books be read while they were not?"""
        for symbol, polls in self._polls.items():
            share = self._live_polls[symbol] / polls
            if polls >= POLLS_MIN and share < LIVE_SHARE:
                self._broken("I5", symbol, f"LIVE for {share:.0%} of the time, though only its stream suffered")

    def _judge(self, symbol: str) -> None:
        if not self.terms.is_plain:
            return
        now_ns, loss = self._now_ns(), self._lost[symbol]
        calm_ns = loss.calm_ns + self.terms.calm_ns(symbol, loss.struck_ns + CALM_NS, now_ns)
        self.longest_ms = max(self.longest_ms, calm_ns / _MS)
        # Attempts that were in vain while it was struck are farther and farther apart; so are those of a book that
        # proved wrong again and again.
        is_lied_to = self.terms.lies_end_ns is not None
        in_vain_ms = RETRY_MAX_MS if is_lied_to else min(RETRY_MAX_MS, (loss.struck_ns - loss.since_ns) / _MS)
        limit_ms = self.terms.recovery_ms + in_vain_ms
        if calm_ns > limit_ms * _MS:
            self._broken(
                "I5", symbol, f"lost for {calm_ns / _MS:.0f} ms while nothing struck it; {limit_ms:.0f} are enough"
            )
