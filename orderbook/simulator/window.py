"""A window on the truth, for other processes: what the books really are, what was injected, what clients did wrong.

Nothing of this exists at the venue; it is served beside it, under ``/simulator/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from orderbook.errors import UsageError, shown
from orderbook.simulator.exchange import Exchange
from orderbook.simulator.faults import FaultPlan

PREFIX: Final = "/simulator/"


async def answer(exchange: Exchange, request: web.Request, now_ns: int) -> web.Response:
    """Answer ``GET truth?symbol=&sequence=&epoch=&depth=``, ``GET violations``, ``GET state`` or ``POST faults``."""
    try:
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "truth":
                value: object = _truth(exchange, request.query)
            case "GET", "violations":
                value = dict(exchange.violations)
            case "GET", "state":
                value = exchange.state()
            case "POST", "faults":
                plan = FaultPlan.parse(await request.text())
                exchange.add_faults(plan, now_ns)
                value = {"added": len(plan.faults)}
            case _:
                return web.json_response({"error": "there is GET truth, violations, state; POST faults"}, status=404)
    except UsageError as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response(value)


def _truth(exchange: Exchange, query: Mapping[str, str]) -> dict[str, object]:
    symbol = query.get("symbol", "")
    source = exchange.market.get(symbol)
    if source is None:
        raise UsageError(f"no symbol {shown(symbol)}; there is {', '.join(exchange.market)}")
    sequence, depth, epoch = (_number(query, name) for name in ("sequence", "depth", "epoch"))
    book = source.book(sequence, depth, epoch=epoch)
    return {
        "symbol": symbol,
        "epoch": source.epoch if epoch is None else epoch,
        "sequence": book.sequence,
        # As text: it has more digits than a double can hold.
        "digest": str(source.digest(book.sequence, epoch=epoch)),
        "bids": book.bids,
        "asks": book.asks,
    }


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise UsageError(f"{name} is a whole number, not {shown(text)}")
    return int(text)
