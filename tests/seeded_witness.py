"""The witness: knows the true book, and looks at ours after every single input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orderbook.errors import BeyondHorizon, BookNotLive
from orderbook.events import Event, NeedSnapshot, StateChanged
from orderbook.results import Depth
from orderbook.sync import BookSync
from orderbook.types import BookState, Side
from tests.seeded_faults import Arrival, Plan, Scenario, zero_rows
from tests.seeded_market import SIZE_DECIMALS, Book, Ladder

TOP = 10
"""Levels a side that are read the way a user reads them."""


@dataclass
class Outcome:
    """What came of one run."""

    wrong: int = 0
    """Inputs after which a wrong book could be read."""
    first_wrong: str = ""
    looks: int = 0
    """Inputs after which the book could be read at all."""
    refused: int = 0
    """Of these, how often the top 10 were refused because they lie past the horizon."""
    end: str = ""
    """What is amiss at the end; empty: LIVE at the venue's last sequence."""
    asked: int = 0
    served: int = 0
    """Snapshots handed in."""
    silent: str = ""
    """What happened without showing in an event or a counter."""
    joined_after: float = 0
    """Until the first LIVE, in ms of virtual time, or in frames without a clock."""
    lost_for: list[float] = field(default_factory=list)
    """How long each loss of LIVE lasted, in the same unit."""
    mended_after: float | None = None
    """From the first frame that is behind a fault to a LIVE book that reaches past it; ``None``: no fault, or never."""

    @property
    def is_sound(self) -> bool:
        """Never wrong, nothing silent, and LIVE and equal at the end."""
        return not (self.wrong or self.end or self.silent)


class Witness:
    """Compares the book of one run with the market's."""

    def __init__(self, plan: Plan, sync: BookSync) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._market = plan.market
        self._sync = sync
        self._heard = 0
        self._first_answer: int | None = None
        self._joined: int | None = None
        self._state = sync.state
        self._lost_at = 0.0
        self._fault = min(plan.hits, default=None)
        self._fault_at: float | None = None

    def hear(self, event: int, now: float) -> None:
        """A frame whose last event this is, is about to be handed in, readable or not."""
        self._heard = max(self._heard, event)
        if self._fault_at is None and self._fault is not None and event >= self._fault:
            self._fault_at = now

    def answer(self, event: int) -> None:
        """A snapshot of the book after an event is about to be handed in."""
        self.outcome.served += 1
        if self._first_answer is None:
            self._first_answer = event

    def look(self, events: Sequence[Event], now: float) -> None:
        """Compare the book with the truth, if it can be read.

        Args:
            events: What the input was answered with.
            now: In ms, or in frames.
        """
        self._follow(events, now)
        what = self._what_is_wrong(now)
        self.outcome.wrong += bool(what)
        self.outcome.first_wrong = self.outcome.first_wrong or what

    def finish(self, arrivals: list[Arrival], scenario: Scenario) -> Outcome:
        """Judge the end of a run, and what it told."""
        sync, outcome, counters = self._sync, self.outcome, self._sync.counters
        last = self._plan.numbering.sequence(max(arrival.event for arrival in arrivals))
        if sync.state is not BookState.LIVE:
            outcome.end = f"{sync.state.value}: {sync.book.reason}"
        elif sync.book.sequence != last:
            outcome.end = f"LIVE at {sync.book.sequence}, the venue is at {last}"
        accounted = counters.applied + counters.duplicates + counters.rejected_count + counters.discarded_count
        if not len(arrivals) == counters.frames == accounted + sync.buffered:
            self._tell_silent(f"{len(arrivals)} frames came, {counters.frames} counted, {accounted} accounted for")
        if outcome.asked != counters.snapshots_asked:
            self._tell_silent(f"{outcome.asked} snapshots asked for, {counters.snapshots_asked} counted")
        self._find_hidden(arrivals, scenario)
        return outcome

    def _find_hidden(self, arrivals: list[Arrival], scenario: Scenario) -> None:
        """Which faults no counter shows. What the first join covered did no harm, and need not show."""
        sync, plan = self._sync, self._plan
        expected = sum(hit > (self._joined or 0) for hit in plan.hits)
        if (shown := scenario.shown(sync)) < expected:
            self._tell_silent(f"{expected} faults, the counters show {shown}")
        if scenario.counts_zeros and self._first_answer is not None:
            rows = zero_rows(arrivals, plan.numbering.sequence(self._first_answer))
            if (counted := sync.counters.price_zero) != rows:
                self._tell_silent(f"{rows} rows of price 0, {counted} counted")

    def _follow(self, events: Sequence[Event], now: float) -> None:
        """Exactly one event for every change of state; and how long LIVE was lost."""
        outcome = self.outcome
        for event in events:
            outcome.asked += isinstance(event, NeedSnapshot)
            if not isinstance(event, StateChanged):
                continue
            if event.old is not self._state:
                self._tell_silent(f"{self._state.value} became {event.old.value}")
            self._state = event.new
            if event.old is BookState.LIVE:
                self._lost_at = now
            elif event.new is BookState.LIVE and self._joined is not None:
                outcome.lost_for.append(now - self._lost_at)
            elif event.new is BookState.LIVE:
                self._joined = min(self._present(), default=0)
                outcome.joined_after = now
        if self._sync.state is not self._state:
            self._tell_silent(f"{self._state.value} became {self._sync.state.value}")

    def _tell_silent(self, what: str) -> None:
        self.outcome.silent = self.outcome.silent or what

    # -- the comparison --

    def _what_is_wrong(self, now: float) -> str:
        book, outcome = self._sync.book, self.outcome
        depth: Depth | None = None
        try:
            depth = book.depth(TOP)
        except BookNotLive:
            view = book.view(TOP)
            return "a view shows levels though the book is not LIVE" if view.bids or view.asks else ""
        except BeyondHorizon:
            outcome.refused += 1
        outcome.looks += 1
        numbering = self._plan.numbering
        present = self._present()
        if not present:
            return f"LIVE at {book.sequence}, though {numbering.sequence(self._heard)} was received"
        if self._fault_at is not None and outcome.mended_after is None:
            outcome.mended_after = now - self._fault_at
        differences = [self._what_differs(depth, self._market.books[event]) for event in present]
        return "" if "" in differences else differences[0]

    def _present(self) -> list[int]:
        """Where the market can have been at the book's sequence; nothing that was received lies beyond it."""
        events = self._plan.numbering.events(self._sync.book.sequence)
        return [event for event in events if self._heard <= event < len(self._market.books)]

    def _what_differs(self, depth: Depth | None, truth: Book) -> str:
        sequence = self._sync.book.sequence
        if depth is not None and [depth.bids.tolist(), depth.asks.tolist()] != self._top(truth):
            return f"the top {TOP} at {sequence} are not the venue's"
        for side in Side:
            if difference := self._difference(side, truth.ladder(side)):
                return f"{side.name} at {sequence}: {difference}"
        return ""

    def _top(self, truth: Book) -> list[list[list[float]]]:
        # Division of integers rounds correctly, so these are the floats of the decimal texts.
        price_unit, size_unit = 10**self._market.price_decimals, 10**SIZE_DECIMALS
        return [[[price / price_unit, size / size_unit] for price, size in ladder[:TOP]] for ladder in truth]

    def _difference(self, side: Side, truth: Ladder) -> str:
        """How a side differs from the venue's up to the horizon, or which question past it was answered."""
        content = self._sync.book.content
        # A book's scales are as fine as what it has met, so never finer than the market's.
        price_factor = 10 ** (self._market.price_decimals - content.price_decimals)
        size_factor = 10 ** (SIZE_DECIMALS - content.size_decimals)
        ours: Ladder = tuple(content.ladder(side))
        if (price_factor, size_factor) != (1, 1):
            ours = tuple((price * price_factor, size * size_factor) for price, size in ours)
        horizon = content.horizon[side]
        if horizon is None:
            return "" if ours == truth else _first_difference(ours, truth)
        edge = side.value * horizon * price_factor
        ours, truth = (tuple(level for level in ladder if side.value * level[0] <= edge) for ladder in (ours, truth))
        if ours != truth:
            return _first_difference(ours, truth)
        return self._not_refused(side, len(ours), horizon)

    def _not_refused(self, side: Side, known: int, horizon: int) -> str:
        book = self._sync.book
        view = book.raw.bids if side is Side.BID else book.raw.asks
        if len(view) != known:
            return f"{len(view)} levels pass for known, {known} are"
        questions: dict[str, Callable[[], object]] = {
            "iteration": lambda: list(view),
            "depth": lambda: book.depth(known + 1),
            "position": lambda: view[known],
            "slice": lambda: view[: known + 1],
            "price": lambda: view.size_at(horizon + side.value),
        }
        answered = [name for name, question in questions.items() if not _is_refused(question)]
        return f"{', '.join(answered)} past the horizon was answered" if answered else ""


def _is_refused(question: Callable[[], object]) -> bool:
    try:
        question()
    except BeyondHorizon:
        return True
    return False


def _first_difference(ours: Ladder, truth: Ladder) -> str:
    for position, (mine, theirs) in enumerate(zip(ours, truth, strict=False)):
        if mine != theirs:
            return f"level {position} is {mine}, the venue has {theirs}"
    return f"{len(ours)} levels, the venue has {len(truth)}"
