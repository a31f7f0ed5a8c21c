"""What a peer has to say of itself to be measured, and the plain book that every answer is compared with.

What is timed is written as it stands in a user's loop, as text, and compiled into that loop: no function of its own
stands between. Books written by hand are classes with methods, as one would write them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, Final

from benchmarks.workloads import Message, Row, Workload

Levels = list[tuple[float, float]]
"""(price, size), best first."""

QUERIES: Final = ("best", "spread", "top20", "top20_numpy", "volume_10bps", "imbalance_10", "fill_5")
"""What is asked of a live book: best prices, spread, 20 levels a side as lists and as arrays, the size within 10 basis
points of mid on each side, the imbalance of 10 levels a side, and the average price of buying 5."""

FILL_SIZE: Final = 5.0
BAND: Final = 0.001


class Gap(Exception):
    """A sequence is missing."""


class Adapter:
    """One peer with one book.

    Attributes:
        package: The distribution whose version is told; ``""``: none.
        receive: Takes ``frame``, bytes off the wire; ``""``: the peer takes none.
        read: Reads best bid and best ask, after each message.
        texts: Applies ``bids``, ``asks`` (rows of texts, from a JSON decoder) and ``sequence``.
        natives: The same of what ``native`` made of them: no conversion is left to be done.
        whole: Whether the peer is given all messages first (``begin``), and then applies ``count`` changes at a time.
        queries: Of ``QUERIES``, expressions that answer them.
        note: What a reader of the tables has to know.
    """

    package: ClassVar[str] = ""
    receive: ClassVar[str] = "receive(frame)"
    read: ClassVar[str] = "best()"
    texts: ClassVar[str] = "apply_texts(bids, asks, sequence)"
    natives: ClassVar[str] = "apply(bids, asks, sequence)"
    whole: ClassVar[bool] = False
    queries: ClassVar[Mapping[str, str]] = {}
    note: ClassVar[str] = ""

    def load(self, bids: Sequence[Row], asks: Sequence[Row], sequence: int) -> None:
        """Begin a new book with a snapshot from a JSON decoder. Rows are in the order of the venue, best first."""
        raise NotImplementedError

    def await_body(self, sequence: int) -> None:
        """Whatever is there before REST answers: a stream that a book waits on, say. Before each ``load_body``."""

    def load_body(self, body: bytes, sequence: int) -> None:
        """Begin a new book with what REST answered; its sequence is told, for who needs it beforehand."""
        raise NotImplementedError

    def begin(self, workload: Workload) -> None:
        """Begin a new book with the snapshot of a workload, whose messages will follow. Where ``whole`` is set."""
        raise NotImplementedError

    def names(self) -> dict[str, Any]:
        """What the texts above speak of. Asked for after each ``load``."""
        raise NotImplementedError

    def native(self, message: Message) -> tuple[Any, Any, int]:
        """A message as the peer likes it best."""
        return floats(message.bids), floats(message.asks), message.end

    def sides(self) -> tuple[Levels, Levels]:
        """Every level, to be compared."""
        raise NotImplementedError

    def plain(self, query: str, answer: Any) -> Any:
        """An answer as nested sequences of floats; prices alone for ``best``."""
        del query
        return answer


def floats(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Rows as tuples of floats."""
    return [(float(price), float(size)) for price, size in rows]


class Reference:
    """A book as plain as can be: two dictionaries, sorted when asked."""

    def __init__(self, workload: Workload) -> None:
        self.books: tuple[dict[float, float], dict[float, float]] = (
            dict(floats(workload.bids)),
            dict(floats(workload.asks)),
        )

    def apply(self, message: Message) -> None:
        """Absolute sizes; 0 removes."""
        for book, rows in zip(self.books, (message.bids, message.asks), strict=True):
            for price, size in floats(rows):
                if size:
                    book[price] = size
                else:
                    book.pop(price, None)

    def sides(self) -> tuple[Levels, Levels]:
        """Every level, best first."""
        return sorted(self.books[0].items(), reverse=True), sorted(self.books[1].items())

    def answers(self) -> dict[str, Any]:
        """What each query has to say."""
        bids, asks = self.sides()
        (bid, _), (ask, _) = bids[0], asks[0]
        mid = (bid + ask) / 2
        b, a = sum(size for _, size in bids[:10]), sum(size for _, size in asks[:10])
        top = [list(map(list, side[:20])) for side in (bids, asks)]
        return {
            "best": [bid, ask],
            "spread": ask - bid,
            "top20": top,
            "top20_numpy": top,
            "volume_10bps": [
                sum(size for price, size in bids if price >= mid * (1 - BAND)),
                sum(size for price, size in asks if price <= mid * (1 + BAND)),
            ],
            "imbalance_10": (b - a) / (b + a),
            "fill_5": bought(asks, FILL_SIZE),
        }


def bought(asks: Sequence[Sequence[float]], size: float) -> float:
    """The average price of buying so much; levels are (price, size), best first."""
    left, paid = size, 0.0
    for level in asks:
        price, available = level[0], level[1]
        if available >= left:
            return (paid + left * price) / size
        left -= available
        paid += available * price
    return paid / (size - left)


def imbalance(bids: Sequence[Sequence[float]], asks: Sequence[Sequence[float]]) -> float:
    """(B - A) / (B + A) of the levels given."""
    b = sum([level[1] for level in bids])
    a = sum([level[1] for level in asks])
    return (b - a) / (b + a)


def volumes(bids: Sequence[Sequence[float]], asks: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The size within 10 basis points of mid, of sides that are lists of (price, size), best first."""
    mid = (bids[0][0] + asks[0][0]) / 2
    low, high = mid * (1 - BAND), mid * (1 + BAND)
    b = a = 0.0
    for level in bids:
        if level[0] < low:
            break
        b += level[1]
    for level in asks:
        if level[0] > high:
            break
        a += level[1]
    return b, a


def within(bids: list[float], asks: list[float]) -> tuple[int, int]:
    """Of ascending prices and of ascending negative prices (best last): where the 10 basis points begin."""
    mid = (bids[-1] - asks[-1]) / 2
    return bisect_left(bids, mid * (1 - BAND)), bisect_left(asks, -mid * (1 + BAND))


def same(expected: Any, found: Any, tolerance: float = 1e-9) -> bool:
    """Whether nested numbers are equal, but for rounding."""
    if isinstance(expected, int | float):
        return abs(float(found) - expected) <= tolerance * max(1.0, abs(expected))
    return len(expected) == len(found) and all(map(same, expected, found))


PEERS: Final[dict[str, tuple[str, str, str]]] = {
    # name in tables: module here, class in it, environment (a file of requirements)
    "orderbook (compiled)": ("ours", "Compiled", "ours"),
    "orderbook (pure)": ("ours", "Pure", "ours"),
    "bisect lists": ("by_hand", "BisectLists", "plain"),
    "dict, min and max": ("by_hand", "Dictionaries", "plain"),
    "sortedcontainers": ("by_hand", "SortedDicts", "plain"),
    "numpy sorted arrays": ("sorted_arrays", "SortedArrays", "plain"),
    "order-book": ("c_book", "OrderBook", "order_book"),
    "ccxt OrderBook": ("ccxt_book", "Book", "ccxt"),
    "ccxt.pro kucoin": ("ccxt_book", "Exchange", "ccxt"),
    "python-binance": ("depth_caches", "PythonBinance", "python_binance"),
    "unicorn-bldc": ("depth_caches", "Unicorn", "unicorn"),
    "nautilus_trader": ("nautilus", "Cython", "nautilus"),
    "nautilus_pyo3": ("nautilus", "PyO3", "nautilus"),
    "hftbacktest (hash map)": ("replays", "HashMap", "hftbacktest"),
    "hftbacktest (hash map, local events)": ("replays", "LocalHashMap", "hftbacktest"),
    "hftbacktest (ROI vector, local events)": ("replays", "LocalRoiVector", "hftbacktest"),
    "hummingbot": ("humming", "Hummingbot", "hummingbot"),
}


def adapter_of(peer: str) -> Adapter:
    """The adapter of a peer; only this imports the peer itself."""
    module, name, _ = PEERS[peer]
    made: Callable[[], Adapter] = getattr(import_module(f"benchmarks.peers.{module}"), name)
    return made()
