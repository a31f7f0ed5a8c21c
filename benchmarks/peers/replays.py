"""hftbacktest: its market depths, fed in a jitted function from arrays of events that were decoded before."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import FILL_SIZE, Adapter, Levels
from benchmarks.workloads import Message, Row, Workload

TICK: float = 0.1


class _Replay(Adapter):
    """It takes no frames and no single changes: events of a whole workload are given to it first.

    Time in it is the number of events, so that to go on by n is to apply n of them.
    """

    package = "hftbacktest"
    receive = texts = ""
    natives = "advance(depths, count)"
    whole = True
    local: ClassVar[bool] = False
    queries: ClassVar = {
        "best": "bid_of(depths); ask_of(depths)",
        "spread": "spread(depths)",
        "top20": "[side.tolist() for side in top(depths, 20)]",
        "top20_numpy": "top(depths, 20)",
        "volume_10bps": "volume(depths)",
        "imbalance_10": "imbalance(depths, 10)",
        "fill_5": "bought(depths, size)",
    }
    note = "a replay in jitted code, of events decoded before; queries are jitted functions, called from Python"

    def __init__(self) -> None:
        from benchmarks.peers import jitted

        self.jitted = jitted
        self.backtest: Any = None

    def build(self, asset: Any, lowest: float, highest: float) -> Any:
        """A backtest of an asset."""
        raise NotImplementedError

    def begin(self, workload: Workload) -> None:
        """A new book with its snapshot, and all messages ahead."""
        messages = [Message(workload.bids, workload.asks, 0, 0), *workload.messages]
        self.events, asset, lowest, highest = self.jitted.asset_of(messages, TICK, local=self.local)
        self.backtest = self.build(asset, lowest, highest)
        # Its time begins at the first event.
        self.jitted.advance(self.backtest, len(workload.bids) + len(workload.asks) - 1)

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        jitted = self.jitted
        return {
            "depths": self.backtest,
            "advance": jitted.advance,
            "bid_of": jitted.bid_of,
            "ask_of": jitted.ask_of,
            "spread": jitted.spread,
            "top": jitted.top,
            "volume": jitted.volume,
            "imbalance": jitted.imbalance,
            "bought": jitted.bought,
            "size": FILL_SIZE,
        }

    def sides(self) -> tuple[Levels, Levels]:
        bids, asks = self.jitted.top(self.backtest, 1_000_000)
        return [tuple(level) for level in bids.tolist()], [tuple(level) for level in asks.tolist()]


class HashMap(_Replay):
    """Its default, with events as its converters write them: for the exchange's side and for the strategy's."""

    def build(self, asset: Any, _lowest: float, _highest: float) -> Any:
        return import_module("hftbacktest").HashMapMarketDepthBacktest([asset])


class LocalHashMap(HashMap):
    """Half of the work: events for the strategy's side only, so that no order could be filled."""

    local = True
    note = f"{_Replay.note}; the exchange's side is left out, as no backtest can"


class LocalRoiVector(_Replay):
    """The same half, by an array over a range of prices that is known beforehand."""

    local = True
    note = f"{LocalHashMap.note}; the range of prices has to be known beforehand"

    def build(self, asset: Any, lowest: float, highest: float) -> Any:
        return import_module("hftbacktest").ROIVectorMarketDepthBacktest([asset.roi_lb(lowest).roi_ub(highest)])
