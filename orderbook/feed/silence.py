"""When the silence of a symbol is longer than is usual for it.

A topic can die while its link lives on and pings are answered. A busy symbol betrays that within seconds, a quiet one
cannot; so each is judged by its own rate.
"""

from __future__ import annotations


class Silence:
    """The usual rate of one symbol, and how long it has been silent.

    Args:
        gaps: So many of its usual gaps are suspicious.
        least_s: No silence shorter than this is, in seconds.
        most_s: Any silence longer than this is somebody else's to judge, in seconds.
    """

    #: Weight of one look in the mean; the rate is that of the last twenty looks or so.
    SHARE = 0.05

    def __init__(self, gaps: int, least_s: float, most_s: float) -> None:
        self._since_s = 0.0
        self._gaps = gaps
        self._least_s = least_s
        self._most_s = most_s
        self._looks = 0
        self._rate: float | None = None
        self._patience_s = 0.0

    def look(self, received: int, elapsed_s: float, silent_s: float) -> bool:
        """Take note of how many deltas came since the last look.

        Args:
            received: So many.
            elapsed_s: Since the last look; the next one is expected to be as far away. In seconds.
            silent_s: Since the last delta, in seconds.

        Returns:
            Whether the silence is suspicious now, or would be before the next look: once when it becomes so, and again
            each time it has doubled.
        """
        self._looks += 1
        self._since_s += elapsed_s
        if received:
            self._learn(received)
            return False
        usual_s = self._gaps / self._rate if self._rate else self._most_s
        threshold_s = max(self._least_s, usual_s, self._patience_s)
        if silent_s + elapsed_s <= threshold_s or silent_s >= self._most_s:
            return False
        self._patience_s = 2 * (silent_s + elapsed_s)
        return True

    def begin(self) -> None:
        """The silence begins anew: what was asked about the last one counts no more."""
        self._patience_s = 0.0

    def _learn(self, received: int) -> None:
        """A silence is part of the usual rate only when it is over: else it would excuse itself."""
        rate = received / self._since_s
        share = 1 - (1 - self.SHARE) ** self._looks
        self._rate = rate if self._rate is None else self._rate + (rate - self._rate) * share
        self._since_s, self._looks, self._patience_s = 0.0, 0, 0.0
