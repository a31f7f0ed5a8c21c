"""Books with their health, for pictures of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console

from orderbook.feed.health import FeedHealth, LinkHealth, SymbolStatus
from orderbook.results import BookView
from orderbook.types import BookState, Level
from orderbook.ui.panels import PanelData

Rows = Sequence[tuple[str, str]]
BIDS = [("67012.3", "0.5"), ("67012.2", "2"), ("67011", "0.125"), ("67010.25", "8")]
ASKS = [("67012.4", "0.25"), ("67013", "4.5"), ("67014.1", "1"), ("67020", "2")]
LINK = LinkHealth("1", connected=True, symbols=3, rtt_ms=12.3, reconnects=0)
HEALTH = FeedHealth((LINK,), budget_used=40, budget_limit=2000, client_messages=3)


def view_of(
    bids: Rows = BIDS,
    asks: Rows = ASKS,
    state: BookState = BookState.LIVE,
    *,
    symbol: str = "BTC-USDT",
    reason: str = "",
    partial: bool = False,
) -> BookView[Decimal]:
    """A view of a book; without levels unless it is LIVE."""
    live = state is BookState.LIVE
    reason = reason or ("in step with the stream" if live else "delta 4711 is missing")
    left, right = (
        tuple(Level(Decimal(price), Decimal(size)) for price, size in rows) if live else () for rows in (bids, asks)
    )
    return BookView(symbol, state, reason, 1613277186234, 2, 12, None, left, right, partial)


def panel_of(view: BookView[Decimal] | None = None, *, gaps: int = 0, age_ms: int | None = 12) -> PanelData:
    """A view with a status that belongs to it."""
    view = view_of() if view is None else view
    return PanelData(
        view,
        SymbolStatus(
            symbol=view.symbol,
            state=view.state,
            reason=view.reason,
            age_ms=age_ms,
            sequence=view.sequence,
            frames_per_s=412.34,
            resyncs=gaps,
            gaps=gaps,
            since_ms=7_200_000,
        ),
    )


THREE = [
    panel_of(),
    panel_of(view_of([("3521.1", "12")], [("3521.15", "3.5")], symbol="ETH-USDT", partial=True)),
    panel_of(view_of(state=BookState.SYNCING, symbol="SOL-USDT"), gaps=2, age_ms=2300),
]


def plain_console(width: int, height: int) -> Console:
    """A console without colours that keeps what is printed."""
    return Console(file=io.StringIO(), width=width, height=height, no_color=True, highlight=False)


def printed(console: Console) -> list[str]:
    """The lines that were printed to it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().split("\n")[:-1]
