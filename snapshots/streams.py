"""The streams beside the books, read again from a recording: typed messages, in the order of their receipt.

    with read_capture("day.jsonl.gz") as capture:
        for topic, message in read_streams(capture):
            print(topic, message)

Where the recording has lost its connection, or records, or holds a message that cannot be used, there stands a
``Missed``, as it does for a reader of the live stream. A connection that took over from another one is no loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from orderbook.errors import FrameError
from orderbook.streams import Missed, Pushed
from orderbook.types import Message
from orderbook.venues import venue_named
from orderbook.venues.base import decode_pushed
from orderbook.venues.kucoin_topics import TOPICS
from snapshots.capture import Record
from snapshots.replay import REPLACED, SETTINGS


def read_streams(records: Iterable[Record], *, venue: str = "kucoin") -> StreamReplay:
    """Read the messages of all streams beside the books.

    Args:
        records: A ``CaptureReader``, or records from anywhere.
        venue: Whose wire format they are.

    Returns:
        An iterator of ``orderbook.streams.Pushed``; ``received_ns`` of a message is the time of its record, in ns since
        1970, or 0 where the recording does not tell it.

    Raises:
        UnknownVenue: No such venue.
        CaptureError: While it is read, from the reader of the capture.

    Complexity: O(1) memory, but for the topics that turn up.
    """
    return StreamReplay(records, venue)


class StreamReplay(Iterator[Pushed]):
    """The iterator, and what it counts.

    Attributes:
        messages: So far, by the path of their topic, such as ``/market/match``.
        rejected: Messages that could not be used.
    """

    def __init__(self, records: Iterable[Record], venue: str) -> None:
        self.messages: Counter[str] = Counter()
        self.rejected = 0
        self._venue = venue_named(venue)
        # Of each connection, the topics that turned up on it; and why messages of a topic do not come at the moment.
        self._topics: dict[str | None, dict[str, None]] = {}
        self._problems: dict[str, str] = {}
        self._found = self._read(records)

    def __next__(self) -> Pushed:
        return next(self._found)

    def _read(self, records: Iterable[Record]) -> Iterator[Pushed]:
        for record in records:
            if record.kind == "ws":
                yield from self._frame(record)
            elif record.kind == "close":
                yield from self._close(record)

    def _frame(self, record: Record) -> Iterator[Pushed]:
        now_ns = record.ts or 0
        found: Message | Pushed | FrameError = decode_pushed(self._venue, record.raw, SETTINGS.frame_bytes_max, now_ns)
        if isinstance(found, Pushed):
            yield from self._go_on(found.topic, record)
            self.messages[found.topic.partition(":")[0]] += 1
            yield found
        elif isinstance(found, FrameError) and (found.topic is not None or found.remedy != "ignore"):
            topics = tuple(self._topics.get(record.url, {})) if found.topic is None else (found.topic,)
            self.rejected += bool(topics)
            for topic in topics:
                yield from self._go_on(topic, record)
                yield _missed(topic, f"a message that cannot be used: {found}", now_ns)

    def _go_on(self, topic: str, record: Record) -> Iterator[Pushed]:
        self._topics.setdefault(record.url, {})[topic] = None
        if (problem := self._problems.pop(topic, None)) is not None:
            yield _missed(topic, problem, record.ts or 0)

    def _close(self, record: Record) -> Iterator[Pushed]:
        topics = self._topics.pop(record.url, {})
        if record.raw.startswith(REPLACED):
            successor = record.raw.removeprefix(REPLACED).decode(errors="replace")
            self._topics.setdefault(successor, {}).update(topics)
            return
        reason = f"connection lost: {record.raw.decode(errors='replace')}"
        for topic in topics:
            self._problems[topic] = reason
            yield _missed(topic, reason, record.ts or 0, is_over=False)


def _missed(topic: str, reason: str, now_ns: int, *, is_over: bool = True) -> Pushed:
    path, _, name = topic.partition(":")
    symbol = TOPICS[path].symbol(name)
    missed = Missed(path=path, symbols=(symbol,), reason=reason, is_over=is_over, received_ns=now_ns)
    return Pushed(topic, missed)
