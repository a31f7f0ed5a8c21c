"""Replay: recorded traffic through the very same ``BookSync`` that runs live.

    with read_capture("session.jsonl.gz") as reader:
        for report in replay(reader):
            print(report.symbol, report.state, report.checks)

One ``BookSync`` a symbol gets what its driver would have handed it: frames, answers with snapshots and with sequences
(the probes of a feed), links that open and close. Its clock is the records' time of receipt, so a replay gives the same
result every time. Timers that wait for silence are off, all others are judged at the first record after their time,
whomever that is of. The end of a capture changes no state.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final, cast

from orderbook.errors import FrameError, UsageError
from orderbook.events import Depth, Event
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from orderbook.types import BookState, Control, Delta, Ticker
from orderbook.venues import venue_named
from orderbook.venues.base import Venue
from orderbook.venues.wire import to_text
from snapshots.capture import Record
from snapshots.checks import SnapshotCheck, Tally, TickerCheck
from snapshots.report import LEVELS, SymbolReport, report_on

SETTINGS: Final = SyncSettings(
    link_silence_max_ms=None,
    symbol_silence_ms=None,
    probe_timeout_ms=None,
    catch_up_ms=600_000,
    catch_up_frames=100_000,
)
"""A recording has no silence that could be told from a recorder that stopped. And a recorded snapshot cannot be asked
for again, so the stream has long to reach it: some recorders do not read the socket while they wait for REST."""

REPLACED: Final = b"replaced by "
"""How a link closes when another one carries on without a gap; its address follows, and it was opened before."""
EARLY_TICKERS_MAX: Final = 4096
"""Tickers kept of symbols that have no book yet, all together."""
ANSWER_NS: Final = 1_000_000_000
"""So long a probe is under way at most, as a rule. One that was longer may show a reset that was none, which ends by
itself; one that is believed to have been overtaken would leave a book of the old count LIVE."""
SHARED_MAX: Final = 1000
"""Records that concern every book and are kept for those which turn up later."""


def replay(
    records: Iterable[Record],
    *,
    venue: str = "kucoin",
    symbols: Collection[str] | None = None,
    capture: str = "",
    levels: int = LEVELS,
) -> list[SymbolReport]:
    """Replay records from first to last.

    Args:
        records: A ``CaptureReader``, or records from anywhere.
        venue: Whose wire format they are.
        symbols: Only these; all that turn up by default.
        capture: Name of the capture, for the reports.
        levels: Best levels a side in each report.

    Returns:
        A report for each symbol that turned up, by name.

    Raises:
        UnknownVenue: No such venue.
        CaptureError: From the reader.

    Complexity: as the live path; memory does not grow with the length of the recording.
    """
    run = Replay(venue, symbols=symbols)
    for record in records:
        run.feed(record)
    return run.reports(capture=capture, levels=levels)


class Replay:
    """A replay under way, record by record.

    Args:
        venue: A venue's name, or a venue.
        symbols: Only these; all that turn up by default.
        audits: Compare later snapshots with the book. Without, ``BookSync`` is left to itself.

    Raises:
        UnknownVenue: No such venue.

    Attributes:
        venue: The venue.
        books: The synchroniser of each symbol that turned up and was wanted.
        seen: Every symbol that turned up, with how many frames and snapshots.
        recognised: Records in which the venue's market data was found.
        record_count: Records fed.
    """

    def __init__(
        self, venue: str | Venue = "kucoin", *, symbols: Collection[str] | None = None, audits: bool = True
    ) -> None:
        self.venue = venue_named(venue) if isinstance(venue, str) else venue
        self.books: dict[str, BookSync] = {}
        self.seen: Counter[str] = Counter()
        self.recognised = 0
        self.record_count = 0
        self._symbols = None if symbols is None else frozenset(symbols)
        self._audits = audits
        self._players: dict[str, _Player] = {}
        self._shared: deque[Record] = deque(maxlen=SHARED_MAX)
        self._early: deque[Ticker] = deque()
        self._early_dropped: Counter[str] = Counter()
        # When a book is to be looked at, in what order that was learnt, and whose it is.
        self._alarms: list[tuple[int, int, _Player]] = []
        self._alarm_count = 0

    def feed(self, record: Record) -> None:
        """Hand one record to whomever it concerns. Never raises for what stands in it."""
        self.record_count += 1
        if record.kind == "ws":
            self._frame(record)
        elif record.kind == "rest":
            self._answer(record)
        else:
            self._share(record)
        if record.ts is not None and self._alarms and self._alarms[0][0] <= record.ts:
            self._ring(record.ts)

    def reports(self, *, capture: str = "", levels: int = LEVELS) -> list[SymbolReport]:
        """What is known of each book now, by symbol."""
        return [
            report_on(
                player.sync,
                venue=self.venue.name,
                capture=capture,
                checks=player.checks(),
                differences=(*player.ticker.differences, *player.snapshot.differences),
                levels=levels,
            )
            for _, player in sorted(self._players.items())
        ]

    def checks(self, symbol: str) -> Mapping[str, Tally]:
        """What was compared so far for one of ``books``. Raises ``KeyError`` for another symbol."""
        return self._players[symbol].checks()

    # -- routing --

    def _frame(self, record: Record) -> None:
        """A frame goes to its symbol's book, which decodes it; only what is no book frame is decoded here."""
        # A search in the text tells nearly always whose book a frame is. The book itself knows for certain.
        symbol = self.venue.guess_symbol(record.raw.decode("latin-1"))
        if symbol is not None:
            player = self._player(symbol)
            if player is None or player.receive(record):
                self.recognised += 1
                return
        try:
            message = self.venue.decode(to_text(record.raw, SETTINGS.frame_bytes_max))
        except FrameError as error:
            if error.symbol is None:
                self._share(record)
            elif (player := self._player(error.symbol)) is not None:
                player.receive(record)
            return
        self.recognised += not isinstance(message, Control)
        if isinstance(message, Ticker):
            self._ticker(message)
        elif isinstance(message, Delta) and (player := self._player(message.symbol)) is not None:
            player.receive(record)

    def _answer(self, record: Record) -> None:
        """An answer that tells of nobody's book is passed over; a snapshot's error goes to the book that asked."""
        request = self.venue.snapshot_request(record.url or "")
        if request is None:
            self._probe(record)
            return
        self.recognised += 1
        symbol, depth = request
        if (player := self._player(symbol)) is not None:
            player.receive_snapshot(record, cast(Depth, depth))

    def _probe(self, record: Record) -> None:
        """A sequence says something to a book that is there; it makes none."""
        found = self.venue.probe_answer(record.url or "", record.raw.decode("latin-1"))
        if found is None:
            return
        self.recognised += 1
        symbol, sequence = found
        if (player := self._players.get(symbol)) is not None:
            player.receive_probe(sequence, record.ts or 0)

    def _ring(self, now_ns: int) -> None:
        """Judge the timers of the books whose time has come. O(log books) for each."""
        due = []
        while self._alarms and self._alarms[0][0] <= now_ns:
            at_ns, _, player = heappop(self._alarms)
            if player.alarm_ns == at_ns:  # not overtaken by an earlier one
                player.alarm_ns = None
                due.append(player)
        for player in due:
            player.check(now_ns)

    def _set_alarm(self, player: _Player, at_ns: int) -> None:
        self._alarm_count += 1  # Keeps the heap from comparing players.
        heappush(self._alarms, (at_ns, self._alarm_count, player))

    def _ticker(self, ticker: Ticker) -> None:
        if self._symbols is not None and ticker.symbol not in self._symbols:
            return
        if (player := self._players.get(ticker.symbol)) is not None:
            player.ticker.offer(ticker)
            return
        self._early.append(ticker)
        if len(self._early) > EARLY_TICKERS_MAX:
            self._early_dropped[self._early.popleft().symbol] += 1

    def _share(self, record: Record) -> None:
        """It concerns every book of the capture, those that turn up later too."""
        self._shared.append(record)
        for player in self._players.values():
            player.shared(record)

    def _player(self, symbol: str) -> _Player | None:
        """The player of a symbol, made when it first turns up; ``None`` if it is not wanted or cannot be one."""
        player = self._players.get(symbol)
        if player is None:
            try:
                self.venue.check_symbol(symbol)
            except UsageError:
                return None
            if self._symbols is None or symbol in self._symbols:
                player = self._new_player(symbol)
        self.seen[symbol] += 1
        return player

    def _new_player(self, symbol: str) -> _Player:
        player = self._players[symbol] = _Player(self.venue, symbol, self._set_alarm, audits=self._audits)
        self.books[symbol] = player.sync
        for record in self._shared:
            player.shared(record)
        player.ticker.tally.skipped += self._early_dropped.pop(symbol, 0)
        for ticker in self._early:
            if ticker.symbol == symbol:
                player.ticker.offer(ticker)
        return player


class _Player:
    """One symbol: its synchroniser, what is checked, and the link that its frames come from.

    Args:
        venue: Its venue.
        symbol: Which.
        set_alarm: Told when ``check`` is to be called.
        audits: See ``Replay``.

    Attributes:
        alarm_ns: When that is.
    """

    def __init__(self, venue: Venue, symbol: str, set_alarm: Callable[[_Player, int], None], *, audits: bool) -> None:
        self.ticker = TickerCheck()
        self.snapshot = SnapshotCheck()
        self.sync = BookSync(venue, symbol, settings=SETTINGS, observer=self.ticker.observe)
        self._audits = audits
        self._set_alarm = set_alarm
        self.alarm_ns: int | None = None
        self._link: str | None = None
        self._linked = False
        self._acknowledged = True
        self._spoke_ns = 0
        # As they were after the last frame; only frames change those that are looked at.
        self._counters = self.sync.counters

    def checks(self) -> dict[str, Tally]:
        """What was compared, by check. A ticker that still waits is a skipped one."""
        tally = self.ticker.tally
        checks = {"ticker": Tally(tally.ok, tally.bad, tally.skipped + self.ticker.waiting)}
        if self.snapshot.offered:
            checks["snapshot"] = replace(self.snapshot.tally)
        return checks

    def receive(self, record: Record) -> bool:
        """A frame. Whether it was this symbol's book, or might have been."""
        now_ns = record.ts or 0
        self._link, self._linked = record.url, True
        if not self._acknowledged:
            # The venue's acknowledgement does not say whose it is; a delta does.
            self._acknowledged = True
            self._follow(self.sync.subscribed(now_ns), now_ns)
        self._follow(self.sync.receive(record.raw, now_ns), now_ns)
        before, counters = self._counters, self.sync.counters
        self._counters = counters
        if counters.frames != before.frames:
            self._spoke_ns = now_ns
        return counters.ignored == before.ignored

    def receive_snapshot(self, record: Record, depth: Depth) -> None:
        """A REST answer, good or bad."""
        now_ns = record.ts or 0
        state = self.sync.state
        events = self.sync.receive_snapshot(record.raw, now_ns, depth=depth)
        self._follow(events, now_ns, state)

    def receive_probe(self, sequence: int, now_ns: int) -> None:
        """The venue's sequence at a moment. When it was asked for is not recorded: not long before."""
        still = now_ns >= self._spoke_ns + ANSWER_NS
        self._follow(self.sync.receive_probe(sequence, now_ns, still=still), now_ns)

    def check(self, now_ns: int) -> None:
        """An alarm rings, unless its reason is gone meanwhile."""
        due_ns = self.sync.next_check_ns
        is_due = due_ns is not None and due_ns <= now_ns
        self._follow(self.sync.check(now_ns) if is_due else (), now_ns)

    def shared(self, record: Record) -> None:
        """What concerns every book: a frame that nobody can read, or a link that opens or closes."""
        now_ns = record.ts or 0
        if record.kind == "ws":
            self._follow(self.sync.receive(record.raw, now_ns), now_ns)
            return
        elsewhere = self._linked and None not in (record.url, self._link) and record.url != self._link
        if elsewhere:
            return  # One connection of several: this book's deltas come from another.
        if record.kind == "close" and record.raw.startswith(REPLACED):
            self._link = record.raw.removeprefix(REPLACED).decode(errors="replace")
            return  # Another one goes on where it ended.
        self._link = record.url
        if record.kind == "open":
            self._linked, self._acknowledged = True, False
            events = self.sync.connection_opened(now_ns)
        else:
            self._linked, self._acknowledged = False, True
            self.ticker.forget()
            events = self.sync.connection_lost(now_ns)
        self._follow(events, now_ns)

    def _follow(self, events: Sequence[Event], now_ns: int, state_before: BookState | None = None) -> None:
        """Let the checks see what happened, and keep a copy of a LIVE book for the next snapshot."""
        self.ticker.follow(self.sync, events)
        self.snapshot.follow(events, state_before)
        if events and self._audits and self.sync.state is BookState.LIVE:
            # Nobody can be asked: whatever was recorded comes when it comes.
            self.snapshot.follow(self.sync.audit(now_ns, ask=False))
        due_ns = self.sync.next_check_ns
        if due_ns is not None and (self.alarm_ns is None or due_ns < self.alarm_ns):
            self.alarm_ns = due_ns
            self._set_alarm(self, due_ns)
