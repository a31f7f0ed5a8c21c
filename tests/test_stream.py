"""The queue of a stream's reader: whatever is put into it, nothing is lost that is not told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from orderbook.feed.metrics import FeedMetrics
from orderbook.feed.stream import TOO_SLOW, Stream
from orderbook.simulator import virtual_time
from orderbook.streams import Missed, Touch

A, B = "A-B", "C-D"
SYMBOLS = (A, B)


class Lively:
    """A topic whose messages come."""

    is_live = True
    has_failed = False
    why = ""


def reader(limit: int) -> Stream[Touch]:
    """One that nobody listens to."""
    return Stream(
        "/touch",
        {symbol: Lively() for symbol in SYMBOLS},
        limit=limit,
        metrics=FeedMetrics(),
        listen=lambda _stream, _callback: None,
        gone=lambda _stream: None,
    )


def touch(symbol: str, number: int) -> Touch:
    """A message, told by its time."""
    return Touch(symbol=symbol, bid=None, ask=None, venue_ms=number)


puts = st.tuples(st.just("put"), st.sampled_from(SYMBOLS))
misses = st.tuples(st.sampled_from(["lost", "over"]), st.sampled_from(SYMBOLS))
takes = st.tuples(st.just("take"), st.just(""))


@given(st.integers(1, 5), st.lists(st.one_of(puts, puts, misses, takes), max_size=60))
def test_what_is_received_is_delivered_skipped_or_waiting(limit: int, steps: list[tuple[str, str]]) -> None:
    """At every moment, and no more than the limit is kept."""

    async def main() -> None:
        stream = reader(limit)
        for put, _ in walk(stream, steps):
            if put is None:
                await anext(stream)
            assert stream.received == (put or stream.received) == stream.delivered + stream.skipped + stream.waiting
            assert len(stream._queue) <= limit

    virtual_time.run(main)


@given(st.integers(1, 5), st.lists(st.one_of(puts, puts, misses, takes), max_size=60))
def test_what_was_dropped_is_told_where_it_stood(limit: int, steps: list[tuple[str, str]]) -> None:
    """In order, with how many; and whose messages do not come at the moment is known in the end."""

    async def main() -> None:
        stream = reader(limit)
        got: list[Touch | Missed] = []
        down: set[str] = set()
        for put, now in walk(stream, steps):
            down = now
            if put is None:
                got.append(await anext(stream))
        while stream._queue or stream._dropped:
            got.append(await anext(stream))
        check(stream, got)
        believed: set[str] = set()
        for one in got:
            if isinstance(one, Missed):
                (believed.difference_update if one.is_over else believed.update)(one.symbols)
        assert down == believed

    virtual_time.run(main)


def walk(stream: Stream[Touch], steps: list[tuple[str, str]]) -> Iterator[tuple[int | None, set[str]]]:
    """Go through the steps: yields how many messages were put, ``None`` where one is to be taken; and who is down."""
    put = 0
    down: set[str] = set()
    for step, symbol in steps:
        if step == "put":
            put += 1
            stream.put(symbol, touch(symbol, put))
        elif step != "take":
            (down.discard if step == "over" else down.add)(symbol)
            stream.miss(Missed(path="/touch", symbols=(symbol,), reason="lost", is_over=step == "over"))
        elif stream._queue:
            yield None, {*down}
        yield put, {*down}


def check(stream: Stream[Touch], got: list[Touch | Missed]) -> None:
    """Messages are numbered: one that does not follow the last stands behind a sign, and the signs add up."""
    last, is_hole, dropped = 0, False, 0
    for item in got:
        if isinstance(item, Missed):
            assert (item.count is None) == (item.reason != TOO_SLOW)
            is_hole, dropped = is_hole or item.count is not None, dropped + (item.count or 0)
        else:
            assert item.venue_ms == last + 1 or (is_hole and item.venue_ms > last)
            last, is_hole = item.venue_ms, False
    assert (dropped, 0) == (stream.skipped, stream.waiting)
    assert stream.delivered == sum(isinstance(item, Touch) for item in got)


def test_signs_of_one_cause_are_one() -> None:
    """A connection with three hundred topics that is lost is one sign, not three hundred."""

    async def main() -> None:
        stream = reader(10)
        for symbol in (A, B, A):
            stream.miss(Missed(path="/touch", symbols=(symbol,), reason="connection lost", is_over=False))
        stream.miss(Missed(path="/touch", symbols=(A,), reason="connection lost"))
        first, second = await anext(stream), await anext(stream)
        assert isinstance(first, Missed)
        assert isinstance(second, Missed)
        assert ((A, B), False) == (first.symbols, first.is_over)
        assert ((A,), True) == (second.symbols, second.is_over)

    virtual_time.run(main)


def test_a_closed_reader_takes_nothing() -> None:
    """What comes after its end is not for it."""

    async def main() -> None:
        stream = reader(10)
        stream.put(A, touch(A, 1))
        stream.close()
        stream.put(A, touch(A, 2))
        stream.miss(Missed(path="/touch", symbols=(A,), reason="lost"))
        assert [] == [item async for item in stream]
        assert not stream.is_live
        assert "/touch" in repr(stream)

    asyncio.run(main())
