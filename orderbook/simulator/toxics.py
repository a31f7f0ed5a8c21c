"""What is wrong with the two directions of a connection: data, which can be changed while bytes are on their way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import Final, Literal

from orderbook.errors import UsageError

Direction = Literal["up", "down"]
"""From the client to the server, or back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxics:
    """What is wrong with one direction. Nothing, by default.

    Raises:
        UsageError: A number that is too small.

    Attributes:
        latency_ms: How long everything takes.
        jitter_ms: Up to so much more, by chance; the order stays.
        bandwidth: Bytes a second.
        slice_bytes: Bytes that are written at a time.
        reset_after: RST to both ends after so many bytes of a connection, counted from when this was set.
        limit_bytes: The same with an orderly end instead.
        slow_close_ms: How long the end of a stream takes, beyond what its bytes take.
        is_clogged: Nothing passes for the time being; it is held, and comes when this is over.
        is_dead: A black hole: what comes is swallowed, the end of the stream too. A connection that lost bytes so
            stays dead when this is over, until one end gives it up: then the other one gets an RST.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bandwidth: int | None = None
    slice_bytes: int | None = None
    reset_after: int | None = None
    limit_bytes: int | None = None
    slow_close_ms: float = 0.0
    is_clogged: bool = False
    is_dead: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = 1 if one.name in ("bandwidth", "slice_bytes") else 0
            if value is not None and not value >= least:
                raise UsageError(f"{one.name} is {least} or more, not {value!r}")


HEALTHY: Final = Toxics()


class Conditions:
    """The toxics of both directions, and who waits for other ones.

    Args:
        above: Whose toxics hold where there are none of its own.
    """

    def __init__(self, above: Conditions | None = None) -> None:
        self._above = above
        self._toxics: dict[Direction, Toxics | None] = {"up": None, "down": None}
        self._has_changed = asyncio.Event()

    @property
    def up(self) -> Toxics | None:
        """What is wrong from the client to the server; ``None``: nothing, or what the proxy says."""
        return self._toxics["up"]

    @up.setter
    def up(self, toxics: Toxics | None) -> None:
        self._set("up", toxics)

    @property
    def down(self) -> Toxics | None:
        """What is wrong from the server to the client; ``None``: nothing, or what the proxy says."""
        return self._toxics["down"]

    @down.setter
    def down(self, toxics: Toxics | None) -> None:
        self._set("down", toxics)

    def toxics(self, direction: Direction) -> Toxics:
        """What holds now. O(1)."""
        return self._toxics[direction] or (HEALTHY if self._above is None else self._above.toxics(direction))

    async def changed(self) -> None:
        """Wait until any toxics are set, here or above, or below."""
        if self._above is None:
            await self._has_changed.wait()
        else:
            await self._above.changed()

    def _set(self, direction: Direction, toxics: Toxics | None) -> None:
        self._toxics[direction] = toxics
        self.tell()

    def tell(self) -> None:
        """Wake everybody who waits."""
        if self._above is not None:
            self._above.tell()
            return
        changed, self._has_changed = self._has_changed, asyncio.Event()
        changed.set()
