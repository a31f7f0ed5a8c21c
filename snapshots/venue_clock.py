"""The venue's clock, for time stamps: how far it is from ours is learnt when the venue refuses one.

A wrong clock passes: ours is set, or the venue's time is had. So a refused time stamp is never the end; but as long as
the clock is wrong, every signed request is in vain, and there may be hundreds that want to be made. Therefore

- nobody signs with a clock that was refused: one sets it and tries, and all others wait for what becomes of that;
- a clock that was right until now is set at once. One that was set and is refused all the same, or cannot be set, is
  left alone for a while that doubles, and until then whoever wants to sign is told so at no cost;
- the venue's time may be wrong, too (it took half a minute, or something in between keeps old answers), or it cannot be
  had for days while the user sets this machine's clock: then that clock is tried, in turn with the venue's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

from orderbook.errors import Refused, RestError

T = TypeVar("T")

_MS: Final = 1_000_000
_POWER_MAX: Final = 30
"""So that weeks of failures do not make a long integer."""


class Stamp(NamedTuple):
    """A time stamp.

    Attributes:
        ms: By the venue's clock as far as it is known, since the epoch.
        setting: How often the clock had been set.
    """

    ms: int
    setting: int


class VenueClock:
    """Makes time stamps, and is told what becomes of them.

    Args:
        wall: This machine's clock, in ns since the epoch.
        clock: Monotonic ns.
        pause_ms: The first pause after it could not be set; it doubles.
        pause_max_ms: Cap of that.

    Attributes:
        skew_ms: How far the venue's clock is ahead of this machine's; 0: unknown, or they agree.
    """

    def __init__(self, wall: Callable[[], int], clock: Callable[[], int], pause_ms: int, pause_max_ms: int) -> None:
        self.skew_ms = 0
        self._wall = wall
        self._clock = clock
        self._pause_ms = pause_ms
        self._pause_max_ms = pause_max_ms
        self._lock = asyncio.Lock()
        self._setting = 0
        self._refusal: Refused | None = None
        self._no_time: RestError | None = None
        # Whether the venue took a stamp of this setting. At first this machine's clock is believed.
        self._is_proven = True
        self._is_on_trial = False
        self._is_venues = self._is_refuted = False
        self._failures = 0
        self._quiet_until_ns = 0

    def stamp(self) -> Stamp:
        """Now."""
        return Stamp(self._wall() // _MS + self.skew_ms, self._setting)

    @property
    def is_wrong(self) -> bool:
        """Whether it was refused, and what it was set to since is not known to be right."""
        return self._refusal is not None

    @property
    def quiet_ms(self) -> int:
        """How long it is to be left alone, because it was set in vain; 0 if it may be tried."""
        if self._refusal is None:
            return 0
        return max(0, -((self._clock() - self._quiet_until_ns) // _MS))

    def problem(self) -> Refused:
        """What whoever wants to sign is told while it is wrong.

        Raises:
            RuntimeError: It is not.
        """
        refusal = self._refusal
        if refusal is None:
            raise RuntimeError("the clock was not refused")
        said = refusal.text if self._no_time is None else f"{refusal.text}, and its time is not to be had"
        if self._no_time is not None:
            said += f" ({self._no_time})"
        return Refused(refusal.code, said, refusal.status, refusal.advice, is_transient=True)

    def accepted(self, stamp: Stamp) -> None:
        """The venue took a stamp: the clock is right."""
        if stamp.setting == self._setting:
            self._refusal = self._no_time = None
            self._is_proven, self._failures = True, 0

    def refused(self, stamp: Stamp, refusal: Refused) -> Refused:
        """The venue refused a stamp; returns what to raise. One from before it was set says nothing of it now."""
        if stamp.setting != self._setting:
            return refusal
        if self._refusal is None or self._is_on_trial:
            self._refusal, self._is_on_trial = refusal, False
            if not self._is_proven:
                self._is_refuted = True
                self._fail()
        return self.problem()

    async def mend(self, ask: Callable[[], Awaitable[int]], attempt: Callable[..., Awaitable[T]]) -> T:
        """Set a clock that was refused and try it, unless somebody else did so meanwhile.

        Args:
            ask: Gets from the venue what ``skew_ms`` is. May raise ``RestError``.
            attempt: Makes a signed request; ``is_trial`` says whether that is the one that tries the clock.

        Returns:
            What came of the attempt.

        Raises:
            Refused: It cannot be set at the moment, or was refused again.
            RestError: Of the attempt.
        """
        async with self._lock:
            if self._refusal is not None:
                if self.quiet_ms:
                    raise self.problem()
                await self._set(ask)
            # A stamp that was under way may have been taken meanwhile: then nothing is to be tried.
            if self._refusal is not None:
                return await self._try(attempt)
        return await attempt(is_trial=False)

    async def _try(self, attempt: Callable[..., Awaitable[T]]) -> T:
        self._is_on_trial = True
        try:
            return await attempt(is_trial=True)
        except RestError:
            if self._is_on_trial:
                # What went wrong has nothing to do with clocks. The next one who signs will see.
                self._refusal = None
            raise
        finally:
            self._is_on_trial = False

    async def _set(self, ask: Callable[[], Awaitable[int]]) -> None:
        if self._is_venues and self._is_refuted:
            # What the venue itself had said was refused at once.
            self._believe(0, is_venues=False)
            return
        try:
            skew_ms = await ask()
        except RestError as error:
            if self._refusal is None:
                return
            self._no_time = error
            if self._is_proven:
                # Nothing else is known to be right, now. In a while this machine's clock may have been set.
                self._is_proven = False
                self._fail()
                raise self.problem() from None
            self._believe(0, is_venues=False)
        else:
            self._no_time = None
            self._believe(skew_ms, is_venues=True)

    def _believe(self, skew_ms: int, *, is_venues: bool) -> None:
        self.skew_ms = skew_ms
        self._setting += 1
        self._is_proven, self._is_refuted, self._is_venues = False, False, is_venues

    def _fail(self) -> None:
        pause_ms = min(self._pause_max_ms, self._pause_ms * 2 ** min(self._failures, _POWER_MAX))
        self._failures += 1
        self._quiet_until_ns = self._clock() + pause_ms * _MS
