"""The plot; run by matplotlib's own environment: ``python plots.py DATA.json PICTURE.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OURS = "#c0392b"
OTHERS = "#34495e"
PALE = "#aab7c4"


def draw(data: dict[str, Any], path: Path) -> None:
    """Frames on the left, growth with depth on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 6.5), layout="constrained")
    rows = sorted(data["bars"], key=lambda row: row[2] or row[1], reverse=True)
    places = range(len(rows))
    colours = [OURS if row[0].startswith("orderbook") else OTHERS for row in rows]
    left.barh(
        [p + 0.2 for p in places], [row[2] for row in rows], 0.38, color=colours, label="with best bid and ask read"
    )
    left.barh([p - 0.2 for p in places], [row[1] for row in rows], 0.38, color=PALE, label="frame to book")
    for place, row in zip(places, rows, strict=True):
        left.text(row[2] * 1.08, place + 0.2, f"{row[2]:,.0f}", va="center", fontsize=8)
    left.set_yticks(list(places), [row[0] for row in rows])
    left.set_xscale("log")
    left.set_xlim(right=max(row[2] for row in rows) * 4)
    left.set_xlabel("CPU time of a message of two changes, ns (log)")
    left.set_title("A raw KuCoin frame into a book of 2,000 levels a side")
    left.legend(loc="lower right", fontsize=8)
    ends = []
    for peer, line in data["growth"]:
        is_ours = peer == "orderbook (compiled)"
        depths, times = zip(*line, strict=True)
        right.plot(depths, times, marker="o", ms=3, lw=2.5 if is_ours else 1, color=OURS if is_ours else None)
        ends.append((times[-1], peer, is_ours, depths[-1]))
    label_ends(right, sorted(ends))
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlim(right=max((end[3] for end in ends), default=100) * 60)
    right.set_xlabel("levels a side (log)")
    right.set_ylabel("CPU time of a change, ns (log)")
    right.set_title("Parsed changes anywhere in the book, as it gets deeper")
    figure.savefig(path, dpi=110)


def label_ends(axes: Any, ends: list[tuple[float, str, bool, int]]) -> None:
    """Names at the ends of lines, moved apart where they would overlap."""
    last = 0.0
    for time, peer, is_ours, depth in ends:
        place = max(time, last * 1.22)
        last = place
        axes.annotate(
            peer, (depth, time), (depth * 1.5, place), fontsize=8, va="center", color=OURS if is_ours else "black",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "grey"},
        )  # fmt: skip  # one place, and one look


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
