"""The texts of the wire, built by formatting: a delta is made once and goes to every subscriber as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final

from orderbook.simulator.source import Row, Tick

BOOK: Final = "/market/level2"
TICKER: Final = "/market/ticker"


def rows(wanted: Iterable[tuple[str, ...]]) -> str:
    """Rows of texts, without the brackets around all of them."""
    return ",".join(['["' + '","'.join(row) + '"]' for row in wanted])


def delta_2026(tick: Tick, time_ms: int) -> str:
    """A delta as the venue words it today."""
    return (
        f'{{"topic":"/market/level2:{tick.symbol}","type":"message","subject":"trade.l2update","data":{{"changes":'
        f'{{"asks":[{rows(tick.asks)}],"bids":[{rows(tick.bids)}]}},"sequenceEnd":{tick.sequence_end},'
        f'"sequenceStart":{tick.sequence_start},"symbol":"{tick.symbol}","time":{time_ms}}}}}'
    )


def delta_2021(tick: Tick, _time_ms: int) -> str:
    """A delta as it was before September 2022: without a time, and its keys in another order."""
    return (
        f'{{"data":{{"sequenceStart":{tick.sequence_start},"symbol":"{tick.symbol}","changes":'
        f'{{"asks":[{rows(tick.asks)}],"bids":[{rows(tick.bids)}]}},"sequenceEnd":{tick.sequence_end}}},'
        f'"subject":"trade.l2update","topic":"/market/level2:{tick.symbol}","type":"message"}}'
    )


DIALECTS: Final[dict[str, Callable[[Tick, int], str]]] = {"2026": delta_2026, "2021": delta_2021}


def merged(ticks: list[Tick]) -> Tick:
    """Consecutive messages as one: of each price only its last row, as the venue does within a window."""

    def last_rows(sides: Iterable[tuple[Row, ...]]) -> tuple[Row, ...]:
        latest = {row[0]: row for rows in sides for row in rows}
        return tuple(latest.values())

    return Tick(
        ticks[0].symbol,
        ticks[0].sequence_start,
        ticks[-1].sequence_end,
        last_rows(tick.bids for tick in ticks),
        last_rows(tick.asks for tick in ticks),
    )


def ticker(
    topic: str,
    subject: str,
    sequence: int,
    bid: tuple[str, ...] | None,
    ask: tuple[str, ...] | None,
    time_ms: int,
    last: tuple[str, str] | None = None,
) -> str:
    """The touch at one sequence, and the last trade; before the first, that of a buyer who took all of the best ask."""
    (bid_price, bid_size), (ask_price, ask_size) = (bid or ("", ""))[:2], (ask or ("", ""))[:2]
    price, size = last or (ask_price or bid_price, ask_size or bid_size)
    return (
        f'{{"topic":"{topic}","type":"message","subject":"{subject}","data":{{"bestAsk":"{ask_price}",'
        f'"bestAskSize":"{ask_size}","bestBid":"{bid_price}","bestBidSize":"{bid_size}",'
        f'"price":"{price}","sequence":"{sequence}","size":"{size}","time":{time_ms}}}}}'
    )


def book_body(sequence: int, bids: Iterable[tuple[str, ...]], asks: Iterable[tuple[str, ...]], time_ms: int) -> str:
    """The answer of the three order book endpoints. Complexity: O(levels)."""
    return (
        f'{{"code":"200000","data":{{"time":{time_ms},"sequence":"{sequence}",'
        f'"bids":[{rows(bids)}],"asks":[{rows(asks)}]}}}}'
    )


def welcome(connect_id: str) -> str:
    """The first frame of a connection."""
    return f'{{"id":{json.dumps(connect_id)},"type":"welcome"}}'


def ack(request_id: str) -> str:
    """The answer to a request that asked for one: the id, always as text, and no topic."""
    return f'{{"id":{json.dumps(request_id)},"type":"ack"}}'


def pong(request_id: str, time_us: int) -> str:
    """The answer to a ping, with the venue's time in microseconds."""
    return f'{{"id":{json.dumps(request_id)},"type":"pong","timestamp":{time_us}}}'


def error(request_id: str, code: int, text: str) -> str:
    """An error of the socket: its code is a number here, unlike in REST."""
    return f'{{"id":{json.dumps(request_id)},"type":"error","code":{code},"data":{json.dumps(text)}}}'
