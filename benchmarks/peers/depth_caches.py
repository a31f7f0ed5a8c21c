"""python-binance and unicorn-binance-local-depth-cache: dictionaries of texts, sorted at every read."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.peers.adapter import FILL_SIZE, Adapter, Gap, Levels, bought, imbalance, volumes
from benchmarks.peers.frames import FramedBook, text_frames
from benchmarks.workloads import SYMBOL, Row

NO_SIZE = "0.00000000"
"""What python-binance takes for a removal; no other spelling of zero."""


class _Cache(Adapter):
    """What both have in common: whole sides as lists."""

    read = "read_bids()[0][0]; read_asks()[0][0]"
    texts = "change(bids, asks)"
    natives = ""
    queries: ClassVar = {
        "best": "read_bids()[0][0]; read_asks()[0][0]",
        "spread": "read_asks()[0][0] - read_bids()[0][0]",
        "top20": "read_bids()[:20]; read_asks()[:20]",
        "top20_numpy": "array(read_bids()[:20]); array(read_asks()[:20])",
        "volume_10bps": "volumes(read_bids(), read_asks())",
        "imbalance_10": "imbalance(read_bids()[:10], read_asks()[:10])",
        "fill_5": "bought(read_asks(), size)",
    }

    def __init__(self) -> None:
        self.decode, self.decode_body = text_frames()

    def readers(self) -> dict[str, Any]:
        """How sides are read."""
        raise NotImplementedError

    def load_body(self, body: bytes, sequence: int) -> None:
        data = self.decode_body(body).data
        self.load(data.bids, data.asks, sequence)

    def names(self) -> dict[str, Any]:
        import numpy as np

        mine = {"array": np.array, "volumes": volumes, "imbalance": imbalance, "bought": bought, "size": FILL_SIZE}
        return mine | self.readers()

    def sides(self) -> tuple[Levels, Levels]:
        readers = self.readers()
        return [tuple(level) for level in readers["read_bids"]()], [tuple(level) for level in readers["read_asks"]()]


class _Framed(FramedBook):
    def __init__(self, decode: Any, cache: Any) -> None:
        super().__init__(decode)
        self.cache = cache

    def change(self, bids: Any, asks: Any) -> None:
        # It removes what it has only; so what it has not is added first, as its own code does.
        add = self.cache.add_bid
        for row in bids:
            add(row if row[1] != "0" else (row[0], NO_SIZE))
        add = self.cache.add_ask
        for row in asks:
            add(row if row[1] != "0" else (row[0], NO_SIZE))


class PythonBinance(_Cache):
    """Its ``DepthCache``."""

    package = "python-binance"
    note = "sorts a whole side at every read"

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        depth_cache = import_module("binance.ws.depthcache").DepthCache

        self.framed = _Framed(self.decode, depth_cache(SYMBOL))
        self.framed.change(bids, asks)
        self.framed.sequence = sequence

    def readers(self) -> dict[str, Any]:
        cache = self.framed.cache
        return {
            "receive": self.framed.receive,
            "change": self.framed.change,
            "read_bids": cache.get_bids,
            "read_asks": cache.get_asks,
        }


class Unicorn(_Cache):
    """Its manager's own code for updates and reads, without its threads and its network."""

    package = "unicorn-binance-local-depth-cache"
    receive = "receive(loads(frame))"
    note = "cuts each side to 1,000 levels after every message, in the order of the prices' texts: its book differs"

    def __init__(self) -> None:
        super().__init__()
        orjson = import_module("orjson")

        self.loads = orjson.loads
        self.market = SYMBOL.lower()

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        import threading

        kind = import_module("unicorn_binance_local_depth_cache").BinanceLocalDepthCacheManager

        # Made without its constructor, which connects to the venue.
        manager = kind.__new__(kind)
        threading.Thread.__init__(manager)
        manager.depth_caches, manager.threading_lock_ask, manager.threading_lock_bid = {}, {}, {}
        manager.default_refresh_interval, manager.cluster, manager.stop_request = None, None, False
        manager._add_depthcache(market=self.market)
        cache = manager.depth_caches[self.market]
        manager._apply_updates(asks=list(map(list, asks)), bids=list(map(list, bids)), market=self.market)
        cache["is_synchronized"] = True
        self.manager, self.sequence = manager, sequence

    def take(self, message: Any) -> None:
        """Take one message; it has to continue the book."""
        data = message["data"]
        if data["sequenceStart"] != self.sequence + 1:
            raise Gap(data["sequenceStart"])
        changes = data["changes"]
        self.manager._apply_updates(asks=changes["asks"], bids=changes["bids"], market=self.market)
        self.sequence = data["sequenceEnd"]

    def change(self, bids: Any, asks: Any) -> None:
        """Apply rows."""
        self.manager._apply_updates(asks=asks, bids=bids, market=self.market)

    def readers(self) -> dict[str, Any]:
        manager, market = self.manager, self.market
        return {
            "receive": self.take,
            "loads": self.loads,
            "change": self.change,
            "read_bids": lambda: manager.get_bids(market=market),
            "read_asks": lambda: manager.get_asks(market=market),
        }
