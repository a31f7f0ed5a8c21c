"""How a simulated market behaves, in numbers.

``normal`` is a busy KuCoin symbol as it was measured: every added order shows as a row of price 0 and size 0 directly
before the real change, so that 35 % of all rows move nothing but the sequence. Of the real changes 44 % delete a level,
10 % set a new best price, 10 % fall on the touch, and half lie within some 9 basis points of it; the book holds about
600 levels, far more asks than bids, with heavy-tailed gaps and sizes over several decades; 79 messages a second come in
groups within a millisecond. The others bend it where a client has something to fear.

Distances are given in ticks of a price of ``PRICE_TICKS``, the one that was measured, and scale with the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from orderbook.errors import UsageError

PRICE_TICKS: Final = 243_000
_TIMES: Final = ("at_ms", "every_ms", "ms")
"""What in an entry of a plan is a time."""


@dataclass(frozen=True)
class Profile:
    """A market's habits. Shares are of all real changes, unless said otherwise.

    Attributes:
        name: How it is called.
        rate: Deltas a second.
        bids: Bid levels to which the book tends to return.
        asks: The same for the asks.
        bid_share: Share of the changes that fall on the bids.
        new_best: Share that sets a new best price.
        touch_deleted: Share that deletes the best level of a side.
        touch_updated: Share that changes the size of the best level.
        updated: Share that changes the size of any other level.
        distance: Median distance of the others from the touch.
        distance_sigma: Its spread, as of a log-normal.
        gap: Median gap between neighbouring levels.
        gap_sigma: Its spread, as of a log-normal.
        gap_max: The largest gap.
        spread: Bounds of the opening spread.
        trend_bps: How far the fair price moves with each real change, in basis points of the opening price.
        trend_band: How far it moves before it turns, as a share of the opening price.
        pull_bps: How far the price may be from the fair price before only one direction is left, in basis points.
        groups: How many messages come at once, with weights.
        batches: How many sequence numbers a message covers, with weights.
        plan: What happens to the instruments of such a market: entries of a fault plan.
    """

    name: str = "normal"
    rate: float = 79.0
    bids: int = 215
    asks: int = 460
    bid_share: float = 0.54
    new_best: float = 0.10
    touch_deleted: float = 0.095
    touch_updated: float = 0.005
    updated: float = 0.10
    distance: float = 215.0
    distance_sigma: float = 1.53
    gap: float = 107.0
    gap_sigma: float = 1.72
    gap_max: float = 900.0
    spread: tuple[float, float] = (100.0, 390.0)
    trend_bps: float = 0.0
    trend_band: float = 0.05
    pull_bps: float = 200.0
    groups: Mapping[int, int] = field(
        default_factory=lambda: MappingProxyType({1: 35, 2: 37, 3: 10, 4: 6, 6: 4, 9: 4, 12: 4})
    )
    batches: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({1: 1}))
    plan: tuple[Mapping[str, object], ...] = ()

    def sooner(self, times: int) -> Profile:
        """The same market, but what happens to its instruments comes so many times as soon, and as often."""
        plan = (
            {
                name: value // times if isinstance(value, int) and name in _TIMES else value
                for name, value in one.items()
            }
            for one in self.plan
        )
        return replace(self, plan=tuple(map(MappingProxyType, plan)))

    @property
    def group_mean(self) -> float:
        """Messages of a group, on the average."""
        return sum(size * weight for size, weight in self.groups.items()) / sum(self.groups.values())


NORMAL: Final = Profile()
_QUIET: Final = replace(
    NORMAL, name="quiet", rate=4.0, touch_updated=0.10, updated=0.28, new_best=0.05, touch_deleted=0.05
)
_STORM: Final = replace(
    NORMAL,
    name="storm",
    rate=1_500.0,
    new_best=0.16,
    touch_deleted=0.16,
    groups=MappingProxyType({1: 20, 3: 30, 10: 30, 40: 15, 200: 5}),
)
_TRENDING: Final = replace(
    NORMAL,
    name="trending",
    new_best=0.15,
    touch_deleted=0.18,
    distance=60.0,
    gap=6.0,
    gap_sigma=1.2,
    gap_max=60.0,
    spread=(8.0, 40.0),
    trend_bps=0.06,
    trend_band=0.10,
    pull_bps=20.0,
)
_DEEP: Final = replace(
    NORMAL, name="deep", bids=17_000, asks=33_000, gap=5.0, gap_sigma=1.1, gap_max=40.0, spread=(20.0, 90.0)
)
_ILLIQUID: Final = replace(_QUIET, name="illiquid", rate=1 / 3_600, groups=MappingProxyType({1: 1}))
_BATCHES: Final = replace(NORMAL, name="batches", batches=MappingProxyType({1: 40, 2: 20, 3: 15, 4: 10, 6: 10, 9: 5}))

# Markets in which something happens to the instruments, first after 20 s and then again and again. Seeded runs are
# told by these times; ``sooner`` has them for somebody who looks.
_TICK_CHANGE: Final = replace(
    NORMAL,
    name="tick_change",
    plan=(
        MappingProxyType({"fault": "tick_change", "how": "finer", "at_ms": 20_000, "every_ms": 80_000}),
        MappingProxyType({"fault": "tick_change", "how": "coarser", "at_ms": 40_000, "every_ms": 40_000}),
        MappingProxyType({"fault": "tick_change", "how": "finer", "at_ms": 60_000, "every_ms": 80_000}),
    ),
)
_DELIST: Final = replace(
    NORMAL,
    name="delist",
    plan=(MappingProxyType({"fault": "delist", "at_ms": 20_000, "every_ms": 60_000, "ms": 20_000}),),
)
_RESET: Final = replace(
    NORMAL,
    name="reset",
    plan=(MappingProxyType({"fault": "sequence_reset", "at_ms": 20_000, "every_ms": 60_000, "base": 1}),),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            *(NORMAL, _QUIET, _STORM, _TRENDING, _DEEP, _BATCHES, _ILLIQUID),
            *(_TICK_CHANGE, _DELIST, _RESET),
        )
    }
)
"""All of them, by name."""


def profile_named(name: str) -> Profile:
    """The profile of this name. Raises ``UsageError``, which names them all, for another."""
    try:
        return PROFILES[name]
    except KeyError:
        raise UsageError(f"no market profile {name!r}; there are {', '.join(PROFILES)}") from None
