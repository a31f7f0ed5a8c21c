"""Books that are on two connections at once: whatever one of them loses, the other one may bring.

Each such book has two lanes, which are topics of two kinds, so that they never share a connection. What they bring goes
through a ``Merger`` to the book, which knows nothing of this: to it there is one connection, up for as long as one of
the two is, and subscribed from the first acknowledgement on.

A recording has what the first connection brought, as if there were no other one: a replay of both would see every delta
twice, and out of turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from orderbook.errors import FrameError, UsageError
from orderbook.feed.alarm import Alarm
from orderbook.feed.bookkeeper import BookKeeper
from orderbook.feed.merger import LANES, Merger
from orderbook.feed.pacing import MS
from orderbook.feed.placement import Placement
from orderbook.feed.served import Behind, Brought, Kind
from orderbook.feed.settings import FeedSettings
from orderbook.guard import Clock, Pulse
from orderbook.types import Delta, Message

_MARK: Final = "second "
"""Before a symbol, it is the key of its second lane."""


def second_of(books: Kind) -> Kind:
    """The kind of the connections that carry books for a second time."""

    def key_of(message: Brought) -> str | None:
        key = books.key_of(message)
        return None if key is None else _MARK + key

    # Not found without decoding: the merger wants to see what a frame says.
    return replace(
        books, name=_MARK.strip(), key_of=key_of, split=lambda key: books.split(key.removeprefix(_MARK)), find=None
    )


class PairPulse(Pulse):
    """When something was last heard on one of two connections, of those that would do alone.

    Args:
        pulses: Tells theirs.
    """

    __slots__ = ("_pulses",)

    def __init__(self, pulses: Callable[[], list[Pulse]]) -> None:
        super().__init__()
        self._pulses = pulses

    @property
    def heard_ns(self) -> int | None:
        """In ns of the clock; ``None``: never. Only the connections themselves say what they heard."""
        return max((one.heard_ns for one in self._pulses() if one.heard_ns is not None), default=None)

    @heard_ns.setter
    def heard_ns(self, heard_ns: int | None) -> None:
        pass

    @property
    def in_doubt(self) -> bool:
        """What is read may have waited for long, on either."""
        return all(one.in_doubt for one in self._pulses())

    @in_doubt.setter
    def in_doubt(self, in_doubt: bool) -> None:
        pass


class Lane:
    """A book on one of its two connections; see ``orderbook.feed.served.Served``.

    Args:
        twice: Knows the other one.
        number: 0 or 1.
        kind: Of its connections.

    Attributes:
        is_torn: It brought what nobody could read, and nothing since: what that was would show by no sequence yet.
    """

    def __init__(self, twice: Twice, number: int, kind: Kind) -> None:
        self.kind = kind
        self.symbol = twice.keeper.symbol
        self.key = _MARK + self.symbol if number else self.symbol
        self.pulse = Pulse()
        self.behind: Behind = lambda _key, _received: None
        self.is_up = self.is_refused = self.is_torn = False
        self._twice = twice
        self._number = number

    @property
    def is_live(self) -> bool:
        """Whether the book is."""
        return self._twice.keeper.is_live

    @property
    def is_halted(self) -> bool:
        """Whether the venue does not trade it."""
        return self._twice.keeper.is_halted

    @property
    def has_failed(self) -> bool:
        """Whether the venue does not let us have it here, or at all."""
        return self.is_refused or self._twice.keeper.has_failed

    def share(self, pulse: Pulse, behind: Behind) -> None:
        """This connection has that pulse, and gets the book anew if it stays behind."""
        self.pulse, self.behind = pulse, behind

    def opened(self) -> None:
        """The connection is up."""
        self.is_up, self.is_refused, self.is_torn = True, False, False
        self._twice.opened(self._number)

    def subscribed(self) -> None:
        """The venue acknowledged it there."""
        self.is_refused = False
        self._twice.subscribed(self._number)

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self.is_up = False
        self._twice.lost(self._number, reason)

    def unreachable(self, reason: str) -> None:
        """No connection could be made; the other one serves the book meanwhile, if it can."""

    def fail(self, reason: str) -> None:
        """The venue does not let us have it here."""
        self.is_refused = True
        self._twice.failed(self._number, reason)

    def offer(self, _frame: bytes, _now_ns: int) -> bool:
        """Frames have to be decoded first."""
        return False

    def take(self, message: Message | FrameError, now_ns: int) -> None:
        """A message of the book, or one that nobody can read."""
        self._twice.take(self._number, message, now_ns)

    def wake(self) -> None:
        """Something was heard on the connection after a silence."""
        self._twice.keeper.wake()


class Twice:
    """A book on two connections.

    Args:
        keeper: Keeps the book.
        kinds: Of the two connections.
        clock: The feed's.
        settings: ``twice_grace_ms`` and the bounds of the book.

    Attributes:
        keeper: As given.
        lanes: The two.
    """

    def __init__(self, keeper: BookKeeper, kinds: tuple[Kind, Kind], clock: Clock, settings: FeedSettings) -> None:
        self.keeper = keeper
        self.lanes = tuple(Lane(self, number, kind) for number, kind in enumerate(kinds))
        self._clock = clock
        sync = settings.sync
        self._merger = Merger(settings.twice_grace_ms * MS, sync.reset_window, sync.probe_catch_up_ms * MS)
        self._alarm = Alarm(clock, settings.lag_ms, self._ring)
        self._is_unrecorded = False
        # The one that has to bring what a lost one brought last.
        self._owing: int | None = None
        keeper.metrics.lanes = self._merger.tallies
        keeper.share(PairPulse(self._pulses), self._behind)

    def close(self) -> None:
        """No timer is left."""
        self._alarm.cancel()

    # -- what the lanes tell --

    def opened(self, number: int) -> None:
        """A connection is up."""
        self._merger.begin(number)
        if not self._other(number).is_up:
            self._merger.restart()
            self.keeper.opened()
        elif number == 0:
            # In a recording the book begins anew with this connection, and needs a snapshot.
            self._is_unrecorded = True

    def subscribed(self, number: int) -> None:
        """The venue acknowledged it on one of them."""
        self._merger.carry(number)
        self.keeper.subscribed()
        if number == 0 and self._is_unrecorded:
            self._is_unrecorded = False
            self.keeper.audit()

    def lost(self, number: int, reason: str) -> None:
        """A connection is gone. The book notices only if the other one would not do alone."""
        found, other = self._merger.end(number, self._clock()), 1 - number
        if self._would_do(other):
            self._put(found, self._clock())
            # What the lost one brought last has to come from the other one as well: else that may be dead.
            self._owing = other
            self._alarm.set(self._merger.catches_up_by_ns(other))
        else:
            self._begin_anew(other, reason)

    def failed(self, number: int, reason: str) -> None:
        """The venue does not let us have it on one of them: it is lost if it has failed on the other one, too."""
        if self._other(number).has_failed:
            self.keeper.fail(reason)
        elif self._merger.carries(number):
            self.lost(number, reason)
            self._merger.begin(number)

    def take(self, number: int, message: Message | FrameError, now_ns: int) -> None:
        """A message of one of them. One that nobody can read is missing there, and may come from the other one."""
        if isinstance(message, Delta):
            # If that was a delta, this one comes behind a hole, which is filled or found.
            self.lanes[number].is_torn = False
            self._put(self._merger.take(number, message, now_ns), now_ns)
            return
        self._merger.tallies[number].rejected += 1
        if self._would_do(1 - number):
            self.lanes[number].is_torn = True
            return
        self._forget_tears()
        self.keeper.take(message, now_ns)

    # -- inside --

    def _other(self, number: int) -> Lane:
        return self.lanes[1 - number]

    def _would_do(self, number: int) -> bool:
        """Whether one of them alone would do: it carries the book, is not far behind, and is not torn."""
        return self._merger.is_abreast(number, self._clock()) and not self.lanes[number].is_torn

    def _forget_tears(self) -> None:
        """The book is told, and sees to it."""
        for lane in self.lanes:
            lane.is_torn = False

    def _begin_anew(self, number: int, reason: str) -> None:
        """The connection that is left would not do alone."""
        self._merger.restart()
        self._owing = None
        self._forget_tears()
        self.keeper.lost(reason)
        if self.lanes[number].is_up:
            self.keeper.opened()
            if self._merger.carries(number):
                self.keeper.subscribed()

    def _put(self, deltas: list[Delta], now_ns: int) -> None:
        for one in deltas:
            self.keeper.take(one, now_ns)
        self._alarm.set(self._merger.due_ns)

    def _ring(self, now_ns: int) -> None:
        self._put(self._merger.check(now_ns), now_ns)
        if self._owing is not None:
            due_ns = self._merger.catches_up_by_ns(self._owing)
            if due_ns is None:
                self._owing = None
            elif now_ns < due_ns:
                self._alarm.set(due_ns)
            else:
                self._begin_anew(self._owing, "the connection that is left is behind the one that was lost")

    def _pulses(self) -> list[Pulse]:
        return [self.lanes[number].pulse for number in range(LANES) if self._would_do(number)]

    def _behind(self, _symbol: str, received: int) -> None:
        """The stream stays behind the venue, so both of them do."""
        for lane in self.lanes:
            lane.behind(lane.key, received)


class Doubles:
    """Puts books on one connection, or on two.

    Args:
        placement: Where they go.
        books: The kind of connections that carry books.
        settings: See ``Twice``.

    Attributes:
        second: The kind of those that carry some of them for a second time.
    """

    def __init__(self, placement: Placement, books: Kind, settings: FeedSettings) -> None:
        self.second = second_of(books)
        self._placement = placement
        self._books = books
        self._settings = settings
        self._twice: dict[str, Twice] = {}

    def require_room(self, count: int, twice_count: int) -> None:
        """Raise ``UsageError`` unless so many books more have room, of which some are on two connections."""
        self._placement.require_room((count, self._books), (twice_count, self.second))

    def require_known(self, symbols: Iterable[str]) -> None:
        """Raise ``UsageError`` unless all of these are on two connections."""
        if single := sorted(set(symbols) - self._twice.keys()):
            raise UsageError(
                f"{single[0]} is on one connection: remove it, then add it with twice=True; that makes another book"
            )

    def put(self, book: BookKeeper, clock: Clock, *, is_twice: bool) -> None:
        """Give a book its connection, or two."""
        if not is_twice:
            self._placement.put(book)
            return
        twice = self._twice[book.symbol] = Twice(book, (self._books, self.second), clock, self._settings)
        for lane in twice.lanes:
            self._placement.put(lane)

    def take(self, symbol: str) -> None:
        """Take a book off its connections."""
        for key in self._keys(symbol):
            self._placement.take(key)
        if (twice := self._twice.pop(symbol, None)) is not None:
            twice.close()

    def resume(self, book: BookKeeper) -> None:
        """The venue trades a symbol again."""
        links = {key: self._placement[key] for key in self._keys(book.symbol)}
        book.resume(is_connected=any(link.is_up for link in links.values()))
        for key, link in links.items():
            link.renew(key)

    def close(self) -> None:
        """No timer is left."""
        for twice in self._twice.values():
            twice.close()

    def _keys(self, symbol: str) -> list[str]:
        twice = self._twice.get(symbol)
        return [symbol] if twice is None else [lane.key for lane in twice.lanes]
