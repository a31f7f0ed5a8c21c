"""What the laws say of readers and of recoveries: each is shown to fail, and where nothing is wrong none does."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orderbook.events import StateChanged
from orderbook.feed.delivery import Update
from orderbook.feed.events import FeedEvent, LinkDown
from orderbook.results import BookView
from orderbook.simulator.injector import Ledger
from orderbook.types import BookState, Delta, Level
from tests.simulation.case import SYMBOLS
from tests.simulation.planted import case_of
from tests.simulation.readers import Reader
from tests.simulation.recovery import Recovery
from tests.simulation.terms import RECOVERY_MS, Terms, terms_of

BTC = SYMBOLS[0]
LIVE, SYNCING = BookState.LIVE, BookState.SYNCING
MS = 1_000_000


def view(sequence: int, state: BookState = LIVE, epoch: int = 1, bid: float = 1.0) -> BookView[float]:
    """A book as an update shows it."""
    return BookView(BTC, state, "", sequence, epoch, None, None, (Level(bid, 1.0),), (Level(2.0, 1.0),), False)


def update(shown: BookView[float], start: int | None = None, skipped: int = 0) -> Update:
    """An update; with ``start`` it is one of a delta from there to where the book is."""
    delta = None if start is None else Delta(BTC, start, shown.sequence, (), (), None)
    return Update(BTC, shown, delta, 0, skipped)


def subscription(*left: object) -> Any:
    """All that is read of one: what is still to be taken."""
    return SimpleNamespace(_queue=left, deliver="every")


def reader() -> tuple[Reader, list[str]]:
    """One who reads, and the laws that were broken."""
    laws: list[str] = []
    one = Reader("every", lambda law, _symbol, _what: laws.append(law))
    one.subscription = subscription()
    return one, laws


@pytest.mark.parametrize(
    ("then", "law"),
    [
        (update(view(12), 11), None),
        (update(view(14), 13, skipped=2), None),
        (update(view(10, SYNCING)), None),
        (update(view(9, epoch=2)), None),
        (update(view(14), 13), "I3"),
        (update(view(10), 9), "I3"),
        (update(view(9)), "I3"),
        (update(view(12, SYNCING), 11), "I4"),
    ],
    ids=["next", "skipped", "lost", "rebuilt", "hole", "again", "back", "not LIVE"],
)
def test_updates_come_in_order_and_of_live_books(then: Update, law: str | None) -> None:
    """A hole that nothing tells of, a step back, a delta of a book that may not be read: each is a breach."""
    one, laws = reader()
    one.take(update(view(10)))
    one.take(then)
    assert ([] if law is None else [law]) == laws


def test_a_view_that_is_not_of_its_delta_is_a_breach() -> None:
    """What is shown with a delta is the book right after it."""
    one, laws = reader()
    one.take(update(view(10), 10))
    assert [] == laws
    shown = update(view(12), 11)
    one.take(Update(BTC, view(11), shown.delta, 0, 0))
    assert ["I3"] == laws


def test_the_same_state_is_not_told_twice() -> None:
    """Unless another one in between was left out."""
    one, laws = reader()
    for number in range(2):
        one.take(Update(BTC, view(10, SYNCING), None, number, number))
    assert [] == laws
    one.take(Update(BTC, view(10, SYNCING), None, 5, 0))
    assert ["I4"] == laws
    one.take(Update(BTC, view(10, SYNCING), None, 5, 0))
    assert ["I4"] == laws, "of one moment"


def book(sequence: int, state: BookState = LIVE, bid: float = 1.0) -> Any:
    """As much of a book as a judge looks at."""
    return SimpleNamespace(
        symbol=BTC, sequence=sequence, is_live=state is LIVE, _guard=SimpleNamespace(marked_state=state),
        best_bid=Level(bid, 1.0), best_ask=Level(2.0, 1.0),
    )  # fmt: skip  # what belongs together stands in one line


@pytest.mark.parametrize(
    ("now", "is_right"),
    [
        (book(10), True),
        (book(11), False),
        (book(10, SYNCING), False),
        (book(10, bid=1.5), False),
    ],
    ids=["so", "farther", "lost", "other touch"],
)
def test_what_was_shown_last_is_how_the_book_is(now: Any, is_right: bool) -> None:
    """Where nothing is left to be taken, nothing was kept from a reader."""
    one, laws = reader()
    one.take(update(view(10)))
    one.judge(now)
    assert ([] if is_right else ["I8"]) == laws


def test_who_was_never_told_of_a_live_book_was_forgotten() -> None:
    """Before it is LIVE there may be nothing to tell; what is still to be taken is not missing."""
    one, laws = reader()
    one.judge(book(0, SYNCING))
    assert [] == laws
    one.judge(book(10))
    assert ["I8"] == laws
    one.subscription = subscription("something")
    one.judge(book(10))
    assert ["I8"] == laws


# --- recoveries ------------------------------------------------------------------------------------------------------


class Bench:
    """A recovery with a clock that is set by hand."""

    def __init__(self, terms: Terms) -> None:
        self.now_ms = 0
        self.said: list[str] = []
        self.ledger = Ledger()
        self.recovery = Recovery(
            (BTC,),
            terms,
            self.ledger,
            lambda: self.now_ms * MS,
            lambda law, _symbol, what: self.said.append(f"{law} {what}"),
        )

    def at(self, now_ms: int) -> Bench:
        """Set the clock."""
        self.now_ms = now_ms
        return self

    def strike(self) -> None:
        """A fault strikes."""
        self.ledger.note(self.now_ms * MS, "drop", symbol=BTC)

    def change(self, old: BookState, new: BookState, reason: str = "planted") -> None:
        """The book changes its state."""
        self.recovery.hear(FeedEvent(BTC, StateChanged(old, new, reason)))

    def lose(self) -> None:
        """The book is LIVE no more."""
        self.change(LIVE, SYNCING)


PLAIN = Terms(is_plain=True, rate=20.0)


def test_a_loss_without_a_cause_is_a_breach() -> None:
    """A fault excuses two of them, and no more."""
    bench = Bench(PLAIN)
    bench.strike()
    for _ in range(2):
        bench.lose()
        bench.change(SYNCING, LIVE)
    assert [] == bench.said
    bench.lose()
    assert ["I5 lost 3 times by 1 faults, last: planted"] == bench.said
    assert 1 == bench.ledger.count("drop"), "the ledger is kept as before"


def test_a_loss_that_lasts_is_a_breach() -> None:
    """The time counts that is farther from any fault than it takes to look for what is missing."""
    bench = Bench(PLAIN)
    bench.strike()
    bench.lose()
    bench.at(250 + RECOVERY_MS).recovery.poll()
    assert [] == bench.said
    bench.at(251 + RECOVERY_MS).recovery.poll()
    assert ["I5"] == [said.split()[0] for said in bench.said]


@pytest.mark.parametrize(("every_ms", "is_excused"), [(200, True), (700, False)])
def test_a_book_that_is_struck_all_the_time_is_excused(every_ms: int, is_excused: bool) -> None:
    """But not one that has had time in between, again and again."""
    bench = Bench(PLAIN)
    bench.lose()
    for now_ms in range(0, 60_000, every_ms):
        bench.at(now_ms).strike()
        bench.recovery.poll()
    assert is_excused == (len(bench.said) == 1)


def test_a_dead_topic_excuses_for_as_long_as_it_is_dead() -> None:
    """Nothing strikes a slow symbol in between, and yet nothing comes."""
    mute = {"fault": "mute", "at_ms": 1_000, "for_ms": 60_000}
    terms = terms_of(case_of(mute)(0), 20.0)
    begin_ms = 1_000_000
    assert 0 == terms.calm_ns(BTC, (begin_ms + 1_000) * MS, (begin_ms + 61_000) * MS)
    assert 700 * MS == terms.calm_ns(BTC, (begin_ms + 500) * MS, (begin_ms + 61_200) * MS)
    other = terms_of(case_of({**mute, "scope": SYMBOLS[1]}, symbols=2)(0), 20.0)
    assert 60_000 * MS == other.calm_ns(BTC, (begin_ms + 1_000) * MS, (begin_ms + 61_000) * MS)


@pytest.mark.parametrize(("live_ms", "is_right"), [(9_000, False), (11_000, True)])
def test_a_book_that_can_hardly_be_read_is_a_breach(live_ms: int, is_right: bool) -> None:
    """Of the time in which its stream is there, it is LIVE for a good part, however often it is struck."""
    bench = Bench(PLAIN)
    bench.change(SYNCING, LIVE)
    for now_ms in range(0, 33_000, 250):
        bench.at(now_ms).strike()
        if now_ms == live_ms:
            bench.lose()
        bench.recovery.poll()
    bench.recovery.finish()
    assert is_right == (bench.said == [])


def test_where_more_than_the_stream_suffers_nothing_is_asked() -> None:
    """A link that is cut costs the book for as long as it takes."""
    bench = Bench(Terms(is_plain=False))
    bench.lose()
    bench.at(100_000).recovery.poll()
    assert [] == bench.said


@pytest.mark.parametrize(
    ("before", "reason", "is_excused"),
    [
        (lambda _: None, "planted", False),
        (lambda bench: bench.recovery.hear(FeedEvent(None, LinkDown("1", "cut"))), "connection lost", True),
        (lambda _: None, "silent, and no answer of the venue says why", True),
    ],
    ids=["for nothing", "with its link", "unanswered since then"],
)
def test_nothing_is_lost_when_all_is_healed(
    before: Callable[[Bench], None],
    reason: str,
    is_excused: bool,
) -> None:
    """Unless something that had died before is only found now."""
    bench = Bench(Terms())
    bench.recovery.is_healed = True
    before(bench)
    bench.change(LIVE, SYNCING, reason)
    assert is_excused == (bench.said == [])


@pytest.mark.parametrize(
    ("entry", "is_plain", "untouched"),
    [
        ({"fault": "drop", "scope": SYMBOLS[1], "p": 0.1}, True, {BTC}),
        ({"fault": "garble", "scope": SYMBOLS[1], "p": 0.1}, True, set()),
        ({"fault": "oversize", "scope": SYMBOLS[1], "p": 0.1}, False, set()),
        ({"fault": "stale_snapshot", "by": 5, "scope": SYMBOLS[1]}, False, {BTC}),
        ({"fault": "sequence_reset", "base": 1, "scope": SYMBOLS[1]}, False, {BTC}),
        ({"fault": "sequence_reset", "base": 1, "close": True, "scope": SYMBOLS[1]}, False, set()),
        ({"fault": "disconnect", "scope": SYMBOLS[1]}, False, set()),
        ({"fault": "disconnect", "on": "delta", "p": 0.1, "scope": SYMBOLS[1]}, False, set()),
        ({"fault": "hang"}, False, set()),
    ],
    ids=lambda value: "" if isinstance(value, bool | set) else str(value["fault"]),
)
def test_what_may_be_asked_follows_from_the_plan(entry: dict[str, Any], is_plain: bool, untouched: set[str]) -> None:
    """Whom nothing touches, and whether more than the stream suffers."""
    terms = terms_of(case_of(entry, symbols=2)(0), 20.0)
    assert (is_plain, untouched) == (terms.is_plain, set(terms.untouched))
