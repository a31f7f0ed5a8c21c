"""What can be wrong with an engine: each function here changes one behaviour of the library's own, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch
from weakref import WeakSet

from orderbook.content import BookContent
from orderbook.errors import FrameError
from orderbook.events import Event
from orderbook.feed.delivery import Subscription
from orderbook.fixedpoint import ZERO, normalised
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync, audit
from orderbook.sync.buffer import DeltaBuffer
from orderbook.sync.facts import Input
from orderbook.sync.table import RULES, Rule, Verdict, indexed
from orderbook.types import BookState, Change, Delta, Message, Side
from orderbook.venues import kucoin
from tests.simulation.terms import BEGIN_NS

Make = Callable[..., BookSync]
"""Takes what ``BookSync`` takes, and gives one."""
TIRED_NS = 61_000_000_000
"""When the usual run has been healed for a second."""


# --- how engines are made wrong --------------------------------------------------------------------------------------


def without(*names: str) -> tuple[Rule, ...]:
    """The table without these lines; what they caught falls to the lines below."""
    assert set(names) <= {rule.name for rule in RULES}
    return tuple(rule for rule in RULES if rule.name not in names)


def instead(name: str, kind: Input, **other: Any) -> tuple[Rule, ...]:
    """The table with one line changed."""
    assert any((rule.name, rule.input) == (name, kind) for rule in RULES)
    return tuple(replace(rule, **other) if (rule.name, rule.input) == (name, kind) else rule for rule in RULES)


def made(
    change: Callable[[BookSync], None] | None = None,
    *,
    rules: Sequence[Rule] = RULES,
    settings: Mapping[str, int | None] | None = None,
    **forced: Any,
) -> Make:
    """What makes the library's engine with another table, other settings, other options, or something changed in it."""
    index = indexed(rules)

    def make(*args: Any, **options: Any) -> BookSync:
        known = options.pop("settings", None) or SyncSettings()
        sync = BookSync(*args, rules=index, settings=replace(known, **settings or {}), **options | forced)
        if change is not None:
            change(sync)
        return sync

    return make


def around(owner: object, name: str, wrapper: Callable[..., Any]) -> None:
    """Put a function around a method of one object; it gets the method first."""
    setattr(owner, name, partial(wrapper, getattr(owner, name)))


def spoiling(spoiled: Callable[[Message | FrameError], Message | FrameError | None], **more: Any) -> Make:
    """An engine whose decoder lies; ``None``: it says nothing. ``more``: as for ``made``."""

    def change(sync: BookSync) -> None:
        def receive(method: Callable[..., Sequence[Event]], message: Message, now_ns: int = 0) -> Sequence[Event]:
            lie = spoiled(message)
            return () if lie is None else method(lie, now_ns)

        around(sync, "receive_decoded", receive)

    return made(change, **more)


# --- the errors ------------------------------------------------------------------------------------------------------


def going_back() -> tuple[Rule, ...]:
    """Whatever does not lie ahead is applied: there are no duplicates and no resets."""
    rules = instead("continues", Input.DELTA, when=lambda facts: facts.start <= facts.last + 1)
    gone = ("repetition", "duplicate", "sequence reset", "contradiction")
    return tuple(rule for rule in rules if rule.input is not Input.DELTA or rule.name not in gone)


def merging(sync: BookSync) -> None:
    """A new snapshot is laid over the old book instead of replacing it: levels that are gone meanwhile stay."""

    def begin(method: Callable[[BookContent], None], content: BookContent) -> None:
        old = sync.book.content.copy()
        old.widen(content.price_decimals, content.size_decimals)
        content.widen(old.price_decimals, old.size_decimals)
        for side in Side:
            for price, size in old.ladder(side):
                if not content.ladder(side).get(price):
                    content.ladder(side).set(price, size)
        method(content)

    around(sync._machine, "begin", begin)


def unstraddling(sync: BookSync) -> None:
    """Of a delta that begins before the book's sequence and ends behind it, nothing but its number is taken."""

    def apply(method: Callable[[Delta], None], delta: Delta) -> None:
        is_straddle = delta.sequence_start <= sync._machine.last
        method(delta._replace(bids=(), asks=()) if is_straddle else delta)

    around(sync._machine, "_apply", apply)


def unchecking(sync: BookSync) -> None:
    """A snapshot older than the buffer counts as if the buffer continued it."""

    def take(method: Callable[[BookContent], None], content: BookContent) -> None:
        if (buffer := sync._machine.buffer) and content.sequence < buffer.first:
            content.sequence = buffer.first - 1
        method(content)

    around(sync._answers, "snapshot", take)


def uncrossing(sync: BookSync) -> None:
    """Crossed levels are deleted, in a snapshot and after a delta."""

    def repair(content: BookContent) -> None:
        while content.is_crossed:
            for side in Side:
                if (best := content.ladder(side).best()) is not None:
                    content.ladder(side).set(best[0], 0)

    def take(method: Callable[[BookContent], None], content: BookContent) -> None:
        repair(content)
        method(content)

    def settle(method: Callable[[], None]) -> None:
        if (base := sync._machine.base) is not None:
            repair(base)
        method()

    around(sync._answers, "snapshot", take)
    around(sync._machine, "settle", settle)


def all_is_known(sync: BookSync) -> None:
    """A snapshot cut off at its depth is taken for the whole book."""
    around(sync, "receive_snapshot", lambda method, body, now_ns=0, **_: method(body, now_ns, depth="full"))


def price_zero(message: Message | FrameError) -> Message | FrameError:
    """Price 0 is a price like any other; as near as a book can come that cannot hold that level."""
    if not isinstance(message, Delta):
        return message
    return message._replace(bids=_priced(message.bids), asks=_priced(message.asks))


def _priced(rows: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(row._replace(price=normalised(1, -1)) if row.price == ZERO else row for row in rows)


def first_ask_only(message: Message | FrameError) -> Message | FrameError:
    """All asks of a batch but the first are forgotten."""
    return message._replace(asks=message.asks[:1]) if isinstance(message, Delta) else message


def unreadable_unheard(message: Message | FrameError) -> Message | FrameError | None:
    """What cannot be read was never heard."""
    return None if isinstance(message, FrameError) else message


def trusting_the_data() -> AbstractContextManager[object]:
    """A delta belongs to the symbol that its data names, whatever its topic says."""
    real = kucoin._delta
    return patch.object(kucoin, "_delta", lambda symbol, data: real(data.get("symbol", symbol), data))


def clinging(sync: BookSync) -> None:
    """A lost connection changes nothing for a LIVE book, nor does the next one."""

    def unless_live(method: Callable[[int], Sequence[Event]], now_ns: int = 0) -> Sequence[Event]:
        return () if sync.state is BookState.LIVE else method(now_ns)

    for name in ("connection_lost", "connection_opened"):
        around(sync, name, unless_live)


def telling(told: Callable[[Event], Iterable[Event]]) -> Make:
    """An engine whose every event becomes these."""

    def change(sync: BookSync) -> None:
        def flush(method: Callable[[], Sequence[Event]]) -> tuple[Event, ...]:
            return tuple(one for event in method() for one in told(event))

        around(sync._desk, "flush", flush)

    return made(change)


def giving_up(sync: BookSync) -> None:
    """Three snapshots in a row that were no use, and that was it."""

    def ask(method: Callable[..., None], reason: str, **options: Any) -> None:
        if sync._desk.attempts < 3:
            method(reason, **options)

    around(sync._desk, "ask", ask)


class _Forgetful(Counter[str]):
    """A counter that has never heard of one reason."""

    def __setitem__(self, reason: str, count: int) -> None:
        if reason != "json":
            super().__setitem__(reason, count)


def miscounting(sync: BookSync) -> None:
    """One reason of refused frames is not counted."""
    sync._desk.counters.rejected = _Forgetful()


class _Endless(DeltaBuffer):
    """A buffer without a bound."""

    def full_with(self, delta: Delta) -> None:
        del delta


def hoarding(sync: BookSync) -> None:
    """The buffer grows for as long as no snapshot comes."""
    sync._machine.buffer = _Endless(sync._settings.buffer_frames_max, sync._settings.buffer_rows_max)


def sharing() -> Make:
    """A gap of one symbol costs all the others their books."""
    all_of_them: WeakSet[BookSync] = WeakSet()

    def change(sync: BookSync) -> None:
        all_of_them.add(sync)

        def give_up(method: Callable[[], None]) -> None:
            method()
            for other in all_of_them:
                if other is not sync and other.state is BookState.LIVE:
                    other._machine.distrust(Verdict.CROSSED, "a gap somewhere")

        around(sync._machine, "give_up_hole", give_up)

    return made(change)


def ignoring_holes(sync: BookSync) -> None:
    """A hole that is known leaves the book LIVE for 5 s; what comes meanwhile is thrown away, and counted."""
    since_ns: int | None = None
    machine, desk = sync._machine, sync._desk

    def take(method: Callable[[Delta], None], delta: Delta) -> None:
        nonlocal since_ns
        if desk.state is BookState.LIVE and delta.sequence_start > machine.last + 1:
            since_ns = desk.now_ns if since_ns is None else since_ns
            if desk.now_ns - since_ns < 5_000_000_000:
                desk.counters.frames += 1
                desk.counters.duplicates += 1
                return
        else:
            since_ns = None
        method(delta)

    around(machine, "delta", take)


def seeing_nothing_in_audits() -> AbstractContextManager[object]:
    """An audit compares, and never finds a difference."""
    real = audit.compare
    return patch.object(audit, "compare", lambda ours, theirs: audit.Comparison(real(ours, theirs).levels, ()))


def publishing_nothing() -> AbstractContextManager[object]:
    """Subscribers get no updates."""
    return patch.object(Subscription, "publish", lambda *_, **__: None)


def publishing_some() -> AbstractContextManager[object]:
    """Subscribers get one delta in ten less, and are not told."""
    real, count = Subscription.publish, 0

    def publish(self: Subscription, delta: Delta | None, *args: Any, **options: Any) -> None:
        nonlocal count
        count += delta is not None
        if delta is None or count % 10:
            real(self, delta, *args, **options)

    return patch.object(Subscription, "publish", publish)


def tiring(sync: BookSync) -> None:
    """A minute and a moment after it began it has had enough."""

    def receive(method: Callable[..., Sequence[Event]], message: Message, now_ns: int = 0) -> Sequence[Event]:
        events = method(message, now_ns)
        if now_ns > BEGIN_NS + TIRED_NS and sync.state is BookState.LIVE:
            return (*events, *sync.fail("tired", now_ns))
        return events

    around(sync, "receive_decoded", receive)


def dawdling(sync: BookSync) -> None:
    """Every snapshot is asked for 25 s late."""
    around(sync._desk, "ask", lambda method, reason, **_: method(reason, delay_ms=25_000))


def flapping(sync: BookSync) -> None:
    """It falls STALE before every second delta."""
    count = 0

    def take(method: Callable[[Delta], None], delta: Delta) -> None:
        nonlocal count
        count += 1
        if count % 2 and sync._desk.state is BookState.LIVE:
            sync._machine.fall_silent()
        method(delta)

    around(sync._machine, "delta", take)
