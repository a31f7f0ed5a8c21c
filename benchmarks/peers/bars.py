"""What this library is held to, as ratios within one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.peers.results import Cell
from benchmarks.workloads import DEPTHS

OURS: Final = "orderbook (compiled)"
BY_HAND: Final = ("bisect lists", "dict, min and max", "sortedcontainers", "numpy sorted arrays")
LIBRARIES: Final = (
    "order-book",
    "ccxt OrderBook",
    "ccxt.pro kucoin",
    "python-binance",
    "unicorn-bldc",
    "nautilus_trader",
    "nautilus_pyo3",
    "hummingbot",
)
HFTBACKTEST: Final = "hftbacktest (hash map)"
ALL: Final = (*BY_HAND, *LIBRARIES, HFTBACKTEST)
DECODERS: Final = "JSON decoders"

Cells = Mapping[tuple[str, str], Cell]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        text: What is compared with what.
        bar: The ratio asked for.
        found: The ratio found; ``None``: not measured.
        least: Whether more is better.
        against: The peer that was the fastest of those compared with.
    """

    text: str
    bar: float
    found: float | None
    least: bool = True
    against: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``MISSED`` or ``not measured``."""
        if self.found is None:
            return "not measured"
        return "met" if (self.found >= self.bar if self.least else self.found <= self.bar) else "MISSED"


def _fastest(cells: Cells, peers: Iterable[str], measure: str) -> tuple[str, float] | None:
    found = [(peer, cells[peer, measure].ns) for peer in peers if (peer, measure) in cells]
    return min(found, key=lambda one: one[1], default=None)


def _faster(text: str, cells: Cells, measure: str, peers: Iterable[str], bar: float) -> Bar:
    """How many times faster than the fastest of some peers."""
    best, ours = _fastest(cells, peers, measure), cells.get((OURS, measure))
    if best is None or ours is None:
        return Bar(text, bar, None)
    return Bar(text, bar, best[1] / ours.ns, against=best[0])


def _growth(text: str, cells: Cells, kind: str, bar: float) -> Bar:
    ours = [cells[OURS, f"D{levels} {kind}"].ns for levels in DEPTHS if (OURS, f"D{levels} {kind}") in cells]
    return Bar(text, bar, max(ours) / ours[0] if len(ours) > 1 else None, least=False)


def bars_of(cells: Cells, memory: Mapping[str, float]) -> list[Bar]:
    """Every bar that this benchmark can judge."""
    frame, read = "W1 frame", "W1 frame + read"
    decoder = min(
        ((peer_measure[1], cell.ns) for peer_measure, cell in cells.items() if peer_measure[0] == DECODERS),
        key=lambda one: one[1],
        default=None,
    )
    ours = cells.get((OURS, frame))
    bars = [
        _faster("frame to book and best prices, against bisect lists + msgspec", cells, read, BY_HAND[:1], 7),
        _faster("the same on a thin book (W2)", cells, "W2 frame + read", BY_HAND[:1], 7),
        _faster("frame to book and best prices, against the best library", cells, read, LIBRARIES, 9),
        _faster("frame to book and best prices, against nautilus_pyo3", cells, read, ["nautilus_pyo3"], 14),
        _faster("frame to book, against the fastest peer", cells, frame, ALL, 6),
        Bar(
            "frame to book, as a part of the fastest JSON decoder alone",
            0.3,
            ours.ns / decoder[1] if ours and decoder else None,
            least=False,
            against=decoder[0] if decoder else "",
        ),
        _faster("parsed changes, texts, against order-book", cells, "W1 texts", ["order-book"], 4),
        _faster("parsed changes, floats, against order-book", cells, "W1 natives", ["order-book"], 2.5),
        _faster("best bid and ask", cells, "best", ALL, 1),
        _faster("spread", cells, "spread", ALL, 1),
        _faster("top 20 as lists, against ccxt", cells, "top20", ["ccxt OrderBook", "ccxt.pro kucoin"], 1.3),
        _faster("top 20 as NumPy, against numpy sorted arrays", cells, "top20_numpy", BY_HAND[3:], 5),
        _faster("volume within 10 bps, against numpy sorted arrays", cells, "volume_10bps", BY_HAND[3:], 5),
        _faster("imbalance of the top 10, against bisect lists", cells, "imbalance_10", BY_HAND[:1], 7),
        _faster("fill of a size, against hftbacktest", cells, "fill_5", [HFTBACKTEST], 10),
        _faster(
            "snapshot of 5,000 levels a side from REST bytes, against order-book",
            cells,
            "W3 snapshot",
            ["order-book"],
            10,
        ),
        Bar("bytes a level before any read", 32, memory.get(OURS), least=False),
        _growth("growth of frames near the touch, 100 to 100,000 levels", cells, "near frame", 1.5),
        _growth("growth of parsed changes near the touch", cells, "near natives", 1.5),
        _growth("growth of frames anywhere in the book", cells, "uniform frame", 4),
        _growth("growth of parsed changes anywhere in the book", cells, "uniform natives", 4),
    ]
    bars += [
        _faster(
            f"changes anywhere in {levels:,} levels, against hftbacktest",
            cells,
            f"D{levels} uniform natives",
            [HFTBACKTEST],
            1,
        )
        for levels in DEPTHS
    ]
    return bars
