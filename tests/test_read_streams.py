"""Streams in a recording: the messages that a reader of the live stream gets, and the signs of what is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import UnknownVenue
from orderbook.feed.events import LinkReplaced
from orderbook.streams import Candle, Missed, Pushed, TickerUpdate, Trade
from snapshots import read_capture
from snapshots.capture import Record
from snapshots.recorder import Recorder
from snapshots.streams import read_streams
from tests.feed_world import eventually
from tests.stream_world import BTC, ETH, played, said, scene, trade
from tests.waiting import elapse

CAPTURE = Path(__file__).parent / "captures" / "kucoin-spot-20210425.jsonl.gz"
URL = "wss://one.example/"


def record(raw: bytes, ts: int | None = 1, kind: Any = "ws", url: str = URL) -> Record:
    """One of a connection."""
    return Record(ts, kind, url, raw)


def shown(*records: Record) -> list[tuple[str, object]]:
    """What is read, in short."""
    return [(topic.partition(":")[2], said(message)) for topic, message in read_streams(records)]


def test_a_real_recording_is_read_whole() -> None:
    """Every message of its streams, none of them refused, each with the time of its receipt, in order."""
    with read_capture(CAPTURE) as capture:
        streams = read_streams(capture)
        found = list(streams)

    assert {"/market/ticker": 533, "/market/match": 18, "/market/candles": 6} == streams.messages
    assert 0 == streams.rejected
    assert {Trade: 18, Candle: 6, TickerUpdate: 533} == {
        kind: sum(type(message) is kind for _, message in found) for kind in (Trade, Candle, TickerUpdate)
    }
    times = [message.received_ns for _, message in found]
    assert sorted(times) == times
    assert times[0] > 1_619_000_000_000_000_000


def test_a_lost_connection_is_a_sign_and_so_is_what_follows_it() -> None:
    """Of each topic that was on it; a connection of others has nothing to do with it."""
    other = "wss://other.example/"
    assert [
        *((BTC, 1), (ETH, 1), (BTC, "missed"), (ETH, 2), (BTC, "over"), (BTC, 2), (BTC, "missed"), (ETH, "missed")),
    ] == shown(
        record(b"", kind="open"),
        record(trade(1)),
        record(trade(1, ETH), url=other),
        record(b"1006", kind="close"),
        record(trade(2, ETH), url=other),
        record(trade(2), url="wss://third.example/"),
        record(b"4000 recorder gap: 3 records lost", kind="close", url="wss://third.example/"),
        record(b"4000 recorder gap: 3 records lost", kind="close", url=other),
        record(b"1000", kind="close", url="wss://never.heard.of/"),
    )


def test_a_connection_that_took_over_is_no_loss() -> None:
    """But its end is one, of what came from the first, too."""
    new = "wss://new.example/"
    assert [(BTC, 1), (BTC, 2), (ETH, 1), (BTC, "missed"), (ETH, "missed")] == shown(
        record(trade(1)),
        record(f"replaced by {new}".encode(), kind="close"),
        record(trade(2), url=new),
        record(trade(1, ETH), url=new),
        record(b"1006", kind="close", url=new),
    )


@pytest.mark.parametrize(
    ("frame", "signs", "rejected"),
    [
        (trade(2).replace(b"buy", b"both"), [(BTC, "over")], 1),
        (trade(2)[:-9], [(BTC, "over"), (ETH, "over")], 1),
        (b'{"type":"pong","id":"1"}', [], 0),
        (b'{"type":"message","topic":"/novel:X","data":{}}', [], 0),
    ],
)
def test_what_cannot_be_used_is_a_sign_where_it_stood(
    frame: bytes, signs: list[tuple[str, object]], rejected: int
) -> None:
    """Of its topic; or of all topics of the connection, where nobody can tell."""
    records = [record(trade(1)), record(trade(1, ETH)), record(frame), record(trade(3), ts=None)]
    streams = read_streams(records)
    found = list(streams)
    assert [(BTC, 1), (ETH, 1), *signs, (BTC, 3)] == [(one.topic.partition(":")[2], said(one.message)) for one in found]
    assert rejected == streams.rejected
    assert 0 == found[-1].message.received_ns


def test_a_sign_names_the_symbol_of_a_candle() -> None:
    """Not the interval, which stands in the topic."""
    topic = f"/market/candles:{BTC}_1min"
    frame = f'{{"type":"message","topic":"{topic}","subject":"trade.candles.update","data":{{}}}}'
    ((found, message),) = read_streams([record(frame.encode())])
    assert topic == found
    assert isinstance(message, Missed)
    assert (BTC,) == message.symbols


def test_a_venue_that_nobody_knows() -> None:
    """Is refused by name."""
    with pytest.raises(UnknownVenue):
        read_streams([], venue="novel")


def test_a_recorded_stream_replays_to_the_same_messages(tmp_path: Path) -> None:
    """Over a lost connection, a replaced one and a message that cannot be used: message for message, sign for sign."""
    path = tmp_path / "streams.jsonl.gz"
    live: list[Any] = []

    async def story() -> None:
        with Recorder(path) as recorder:
            async with scene(link_life_ms=20_000, record=recorder.record) as on:
                reader = on.feed.trades(BTC).listen(live.append)
                await reader.ready(timeout_s=10)
                wire = await on.socket()
                for raw in (trade(1), trade(2), trade(2).replace(b"buy", b"both"), trade(3)):
                    wire.bring(raw)
                await elapse(1)
                wire.hang_up()
                await reader.ready(timeout_s=60)
                await eventually(lambda: not reader.waiting)
                (await on.socket(2)).bring(trade(5))
                await eventually(lambda: on.events(LinkReplaced))
                (await on.socket(3)).bring(trade(6))
                await elapse(1)

    played(story)
    with read_capture(path) as capture:
        replayed = [message for _, message in read_streams(capture)]
    assert [1, 2, "over", 3, "missed", "over", 5, 6] == [said(item) for item in live]
    assert live == replayed


def test_pushed_is_what_comes() -> None:
    """A topic as it stands on the wire, and its message."""
    (found,) = read_streams([record(trade(1), ts=5)])
    assert isinstance(found, Pushed)
    assert (f"/market/match:{BTC}", 5) == (found.topic, found.message.received_ns)
