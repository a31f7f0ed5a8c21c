"""Frames: one book by the lane, one by the machine alone, and a third one on reference ladders."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from time import thread_time_ns
from typing import Any, Final, NamedTuple
from zlib import crc32

from orderbook.content import BookContent
from orderbook.errors import FrameError, NumberError
from orderbook.events import Depth, Event
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Delta, Message
from orderbook.venues.base import decode_frame
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.wire import Frame
from tests.fuzzing import grammar
from tests.fuzzing.reference import copied, facts, levels
from tests.fuzzing.target import SYMBOL, Disagreement, Taken, differing, feature_of, kib_of, rendered
from tests.fuzzing.venue import Remembering
from tests.hostile import level2, rest

MS: Final = 1_000_000
KUCOIN: Final = KuCoin()


class Scenario(NamedTuple):
    """How the books begin.

    Attributes:
        sequence: Where.
        levels: A side.
        fine: Whether the farthest levels have as many decimals as most frames will want.
        depth: How deep the snapshot was asked for.
        settings: The bounds of both books.
        patience: How many inputs they are given.
        every: One refused input in so many goes its whole way, after which a book is seldom LIVE.
    """

    sequence: int = 1_000
    levels: int = 2
    fine: bool = True
    depth: Any = "full"
    settings: SyncSettings = SyncSettings()
    patience: int = 64
    every: int = 32


SCENARIOS: Final = (
    Scenario(),
    Scenario(levels=20, depth=20),
    Scenario(fine=False, settings=SyncSettings(levels_max=6, frame_bytes_max=400, reset_window=4)),
    Scenario(sequence=10**18 - 12, levels=3),
    Scenario(levels=150, patience=1_500, every=1_024),
    Scenario(levels=1, patience=1_500, every=1_024),
    Scenario(patience=4_000, every=10_000),
    Scenario(sequence=2**63 - 10),
)


@cache
def _opening(scenario: Scenario) -> tuple[Message | FrameError, BookContent]:
    """The first frame and the snapshot, both read: bids below where the market was recorded, asks above."""
    bids = [[f"{242.6 - 0.1 * n:.1f}", f"{1 + n % 7}.5"] for n in range(1, scenario.levels + 1)]
    asks = [[f"{242.6 + 0.1 * n:.1f}", f"{1 + n % 5}"] for n in range(1, scenario.levels + 1)]
    if scenario.fine:
        bids[-1], asks[-1] = ["0.001", "1.00000001"], ["999.999", "0.00000001"]
    first = decode_frame(KUCOIN, json.dumps(level2(scenario.sequence, scenario.sequence)), 10_000)
    body = json.dumps(rest(str(scenario.sequence), bids, asks))
    reader = BookSync(KUCOIN, SYMBOL, settings=scenario.settings)
    return first, reader._decode_snapshot(body, scenario.depth)


class Opened(BookSync):
    """A book that is LIVE from the beginning, by the usual way but for the reading."""

    def __init__(self, scenario: Scenario, venue: KuCoin) -> None:
        super().__init__(venue, SYMBOL, settings=scenario.settings)
        first, self._content = _opening(scenario)
        self.receive_decoded(first, MS)
        self.receive_snapshot("", MS)

    def _decode_snapshot(self, body: Frame, depth: Depth) -> BookContent:
        del body, depth
        return self._content.copy()


class Watched(Opened):
    """A book that says when the lane handed a frame over, and keeps it from the machine if asked to."""

    handed = False
    held = False

    def _receive(self, frame: Frame, received_ns: int) -> tuple[Event, ...]:
        self.handed = True
        return () if self.held else super()._receive(frame, received_ns)


class Pair:
    """Two books with the same history, and what they should hold."""

    def __init__(self, scenario: Scenario) -> None:
        self.venue = Remembering()
        self.fast = Watched(scenario, self.venue)
        self.plain = Opened(scenario, self.venue)
        self.settings = scenario.settings
        self.content = copied(self.plain.book.content)
        self.now_ns = 2 * MS
        self._facts = facts(self.plain.book.content)

    def receive(self, frame: Frame, message: Message | FrameError, *, held: bool) -> tuple[int, int]:
        """Give a frame to both, and compare.

        Args:
            frame: As it is.
            message: The same, decoded.
            held: It is not decodable, and the machines shall not hear of it.

        Returns:
            CPU time of the fast one in ns, and how many KiB of frames it decoded anew for that.

        Raises:
            Disagreement: They differ.
        """
        fast = self.fast
        fast.handed, fast.held = False, held
        self.venue.spare()
        start = thread_time_ns()
        events = fast.receive(frame, self.now_ns)
        spent = thread_time_ns() - start + self.venue.spared_ns
        kib = self.venue.spared_kib
        if not held:
            expected = self.plain.receive_decoded(message, self.now_ns)
            self._facts = facts(self.plain.book.content)
            if expected != events:
                raise Disagreement("events", differing(expected, events))
            self._apply(message)
        if isinstance(message, FrameError) and not fast.handed:
            raise Disagreement("accept", f"the lane took what is refused: {message.reason} ({message.detail})")
        self.compare(levels_too=not isinstance(message, FrameError))
        return spent, kib

    def _apply(self, message: Message | FrameError) -> None:
        """What a LIVE book does with a delta that continues it."""
        sequence = self.content.sequence
        if not isinstance(message, Delta) or message.symbol != SYMBOL or self.plain.state is not BookState.LIVE:
            return
        if message.sequence_start <= sequence + 1 and message.sequence_end > sequence:
            self.content.apply(message.bids, message.asks, message.sequence_end, message.venue_ms)

    def compare(self, *, levels_too: bool) -> None:
        """What can be read of the books; level by level where they should have changed. Raises ``Disagreement``."""
        fast, plain = self.fast, self.plain
        if fast.state is not plain.state:
            raise Disagreement("state", differing(plain.state, fast.state))
        content = fast.book.content
        found = facts(content)
        if found != self._facts:
            raise Disagreement("value", differing(self._facts, found))
        if plain.state is not BookState.LIVE or not levels_too:
            return
        if found != facts(self.content):
            raise Disagreement("value", f"of the reference: {differing(facts(self.content), found)}")
        if levels(content) != levels(self.content):
            raise Disagreement("levels", differing(levels(self.content), levels(content)))

    def land(self) -> None:
        """What the lane only counts, and hands over when it is asked for. Raises ``Disagreement``."""
        for name in ("counters", "next_check_ns", "wants_snapshot", "buffered"):
            expected, actual = getattr(self.plain, name), getattr(self.fast, name)
            if expected != actual:
                raise Disagreement("counters", f"{name}: {differing(expected, actual)}")
        expected, actual = self.plain.book.pulse.heard_ns, self.fast.book.pulse.heard_ns
        if expected != actual:
            raise Disagreement("counters", f"heard_ns: {differing(expected, actual)}")

    def finish(self) -> None:
        """All of it, the last deltas and every invariant included. Raises ``Disagreement``."""
        self.land()
        if self.plain.recent != self.fast.recent:
            raise Disagreement("recent", differing(self.plain.recent, self.fast.recent))
        if levels(self.plain.book.content) != levels(self.fast.book.content):
            raise Disagreement("levels", differing(levels(self.plain.book.content), levels(self.fast.book.content)))
        self.fast.book.content.verify()


_FORMS: Final[tuple[Callable[[bytes], Frame], ...]] = (
    *(bytes, bytes, bytes, bytes, bytes),
    lambda data: data.decode(errors="surrogateescape"),
    bytearray,
    lambda data: memoryview(bytearray(data)),
)


class Frames:
    """The target; see ``target.Target``."""

    name: Final = "frames"
    scenarios: Final = len(SCENARIOS)

    def seeds(self) -> Sequence[bytes]:
        """Real frames, and such as books are apt to get wrong."""
        return grammar.frame_seeds()

    def written(self, rng: random.Random) -> bytes:
        """A delta."""
        return grammar.frame(rng)

    def mended(self, data: bytes, rng: random.Random) -> bytes:
        """As it is: tokens stand for the numbers that matter."""
        del rng
        return data

    def words(self) -> Sequence[bytes]:
        """Of deltas."""
        return grammar.FRAME_WORDS

    def begin(self, scenario: int) -> None:
        """Two new books."""
        self._scenario = SCENARIOS[scenario]
        self._pair = Pair(self._scenario)
        self._left = self._scenario.patience

    @property
    def over(self) -> bool:
        """Whether the books are not LIVE any more, or old."""
        return self._left <= 0 or self._pair.plain.state is not BookState.LIVE

    def take(self, data: bytes) -> Taken:
        """Give both a frame."""
        pair = self._pair
        self._left -= 1
        mark = crc32(data)
        raw = rendered(data, pair.content.sequence)
        frame = _FORMS[mark & 7](raw)
        # Four in a row come at one time, and some without one.
        pair.now_ns = 0 if mark >> 3 & 15 == 0 else (2 + self._scenario.patience - self._left) // 4 * MS
        try:
            message = decode_frame(pair.venue, frame, pair.settings.frame_bytes_max)
            refused = isinstance(message, FrameError)
            held = refused and (mark >> 7) % self._scenario.every != 0
            spent, kib = pair.receive(frame, message, held=held)
            if mark >> 20 & 15 == 0:
                pair.land()
        except Disagreement:
            raise
        except NumberError as error:
            raise Disagreement("accept", f"a value that cannot be held was taken: {error}") from error
        except Exception as error:
            raise Disagreement("raised", f"{type(error).__name__}: {error}") from error
        return Taken("refused" if refused else "accepted", self._feature(message), spent, max(kib, kib_of(data)))

    def close(self) -> None:
        """Compare what is left."""
        try:
            self._pair.finish()
        except AssertionError as error:
            raise Disagreement("invariant", str(error)) from error

    def _feature(self, message: Message | FrameError) -> str:
        way = "machine" if self._pair.fast.handed else "lane"
        if isinstance(message, FrameError):
            return feature_of(message.reason, message.detail)
        if not isinstance(message, Delta):
            return type(message).__name__
        return f"{way} {min(len(message.bids), 3)} {min(len(message.asks), 3)} {self._pair.plain.state.value}"
