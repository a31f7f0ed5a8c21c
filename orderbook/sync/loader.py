"""Where ``BookSync`` takes snapshots: the loader of the compiled twin, or the pure one, which takes none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderbook.accelerator import ACCELERATOR
from orderbook.twin import ContentState
from orderbook.venues.layout import Layout
from orderbook.venues.wire import Frame

__all__ = ["Loader", "PureLoader"]


class PureLoader:
    """Takes plain bodies of snapshots: the compiled one does, this one leaves all to the venue's own function.

    Args:
        layout: Of such bodies; ``None``: none is taken.
        symbol: What ``{symbol}`` stands for in it.
        bytes_max: Longer bodies are not taken.
    """

    __slots__ = ()

    def __init__(self, layout: Layout | None, symbol: str, bytes_max: int) -> None:
        del layout, symbol, bytes_max

    def load(self, body: Frame, content: ContentState) -> tuple[int, int] | None:
        """Take a body into an empty content: its levels, scales, sequence and time.

        Args:
            body: As the venue answered.
            content: As it was made. If nothing was taken it is of no use any more.

        Returns:
            How many rows of bids and of asks there were, whether levels or not. ``None``: the body is not plain, and
            only the venue's own function can tell what it is.

        Complexity: O(n).
        """
        del body, content
        return None


if TYPE_CHECKING or ACCELERATOR == "pure":
    Loader = PureLoader
else:
    from orderbook.compiled.snapshot import Loader
