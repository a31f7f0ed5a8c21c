"""Snapshot bodies: what a book makes of one, and what the venue's functions and the reference ladders make of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from time import thread_time_ns
from typing import Any, Final
from zlib import crc32

from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import SnapshotRejected
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Side
from orderbook.venues.base import decode_frame
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.wire import to_text
from tests.fuzzing import grammar
from tests.fuzzing.reference import Reference, facts, levels
from tests.fuzzing.target import SYMBOL, Disagreement, Taken, differing, feature_of, kib_of, rendered
from tests.fuzzing.venue import Remembering
from tests.hostile import level2

SEQUENCE: Final = 1_000
SETTINGS: Final = (SyncSettings(), SyncSettings(levels_max=8, snapshot_bytes_max=700))
DEPTHS: Final[tuple[Any, ...]] = ("full", None, 20, 3)


def expected(venue: KuCoin, body: Any, depth: Any, settings: SyncSettings) -> BookContent:
    """The content, by the rules of ``BookSync.receive_snapshot``. Raises ``FrameError``."""
    snapshot = venue.decode_snapshot(to_text(body, settings.snapshot_bytes_max))
    rows = {Side.BID: len(snapshot.bids), Side.ASK: len(snapshot.asks)}
    longest = max(rows.values())
    if longest > settings.levels_max:
        raise FrameError("size", f"{longest} levels on a side; the limit is {settings.levels_max}")
    partial = {
        side: count in venue.partial_depths if depth is None else depth != "full" and count >= depth
        for side, count in rows.items()
    }
    content = Reference.from_snapshot(snapshot, partial)
    for side in Side:
        if partial[side] and not len(content.ladder(side)):
            raise FrameError("fields", f"the {side.name.lower()}s end at their depth and hold no level")
    return content


class Bodies:
    """The target; see ``target.Target``. Each input is a body of its own: nothing depends on earlier ones."""

    name: Final = "snapshots"
    scenarios: Final = len(SETTINGS)

    def __init__(self) -> None:
        self._venue = Remembering()
        # For the way inside any books of these bounds will do.
        self._idle = [BookSync(self._venue, SYMBOL, settings=settings) for settings in SETTINGS]
        self.begin(0)

    def seeds(self) -> Sequence[bytes]:
        """Real bodies."""
        return grammar.body_seeds()

    def written(self, rng: random.Random) -> bytes:
        """A body."""
        return grammar.body(rng)

    def mended(self, data: bytes, rng: random.Random) -> bytes:
        """As it is."""
        del rng
        return data

    def words(self) -> Sequence[bytes]:
        """Of bodies."""
        return grammar.BODY_WORDS

    def begin(self, scenario: int) -> None:
        """Other bounds."""
        self._settings, self._loader = SETTINGS[scenario], self._idle[scenario]
        self._left = 16
        self._venue.forget()

    @property
    def over(self) -> bool:
        """Whether it is time for other bounds."""
        return self._left <= 0

    def close(self) -> None:
        """Nothing is left."""

    def take(self, data: bytes) -> Taken:
        """Hand it to a book that waits for one."""
        self._left -= 1
        mark = crc32(data)
        depth = DEPTHS[mark & 3]
        raw = rendered(data, SEQUENCE)
        body = raw.decode(errors="surrogateescape") if mark >> 2 & 7 == 0 else raw
        try:
            wanted: BookContent | FrameError = expected(self._venue, body, depth, self._settings)
        except FrameError as error:
            wanted = error.with_traceback(None)
        try:
            # What is seen by way of the machine is seen inside, too: one in sixteen will do.
            spent = self._joined(body, depth, wanted) if mark >> 5 & 15 == 0 else self._loaded(body, depth, wanted)
        except Disagreement:
            raise
        except Exception as error:
            raise Disagreement("raised", f"{type(error).__name__}: {error}") from error
        if isinstance(wanted, FrameError):
            return Taken("refused", feature_of(wanted.reason, wanted.detail), spent, kib_of(data))
        return Taken("accepted", f"{min(len(wanted.bids), 4)} {min(len(wanted.asks), 4)}", spent, kib_of(data))

    def _sync(self) -> BookSync:
        """One that has heard the delta which any snapshot of ``SEQUENCE`` covers."""
        sync = BookSync(self._venue, SYMBOL, settings=self._settings)
        sync.receive_decoded(_FIRST)
        return sync

    def _joined(self, body: Any, depth: Any, wanted: BookContent | FrameError) -> int:
        """By the public way."""
        sync = self._sync()
        self._venue.spare()
        start = thread_time_ns()
        events = sync.receive_snapshot(body, depth=depth)
        spent = thread_time_ns() - start + self._venue.spared_ns
        refusal = next((event for event in events if isinstance(event, SnapshotRejected)), None)
        if isinstance(wanted, FrameError):
            if refusal != SnapshotRejected(wanted.reason, wanted.detail):
                raise Disagreement("accept", differing((wanted.reason, wanted.detail), refusal))
        elif sync.state is BookState.LIVE and wanted.sequence == SEQUENCE:
            _compare(wanted, sync.book.content)
        elif sync.state is BookState.LIVE:
            # The delta continued it, so the book is another one than that of the body.
            self._loaded(body, depth, wanted)
        elif refusal is None or refusal.reason not in ("old", "ahead", "crossed", "empty"):
            # Of a book that is none yet nothing can be seen; what stands in it, by the way inside.
            if wanted.sequence == SEQUENCE and not wanted.is_crossed:
                raise Disagreement("accept", differing(facts(wanted), refusal or sync.state))
            self._loaded(body, depth, wanted)
        return spent

    def _loaded(self, body: Any, depth: Any, wanted: BookContent | FrameError) -> int:
        """By the way inside alone."""
        self._venue.spare()
        start = thread_time_ns()
        try:
            content = self._loader._decode_snapshot(body, depth)
        except FrameError as error:
            spent = thread_time_ns() - start + self._venue.spared_ns
            if not isinstance(wanted, FrameError):
                raise Disagreement("accept", differing(facts(wanted), error)) from error
            if (error.reason, error.detail) != (wanted.reason, wanted.detail):
                raise Disagreement("error", differing(wanted, error)) from error
            return spent
        spent = thread_time_ns() - start + self._venue.spared_ns
        if isinstance(wanted, FrameError):
            raise Disagreement("accept", differing(wanted, facts(content)))
        _compare(wanted, content)
        return spent


_FIRST: Final = decode_frame(KuCoin(), json.dumps(level2(SEQUENCE, SEQUENCE)), 10_000)


def _compare(wanted: BookContent, content: BookContent) -> None:
    if facts(wanted) != facts(content):
        raise Disagreement("value", differing(facts(wanted), facts(content)))
    if levels(wanted) != levels(content):
        raise Disagreement("levels", differing(levels(wanted), levels(content)))
    content.verify()
