"""A venue that begins to count anew at any moment, and a cache that remembers: LIVE is the truth of the present count.

``test_sync_resets.py`` tells single stories of it.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.events import NeedSnapshot
from orderbook.settings import SyncSettings
from orderbook.sync import BookSync
from tests.examples import share
from tests.kucoin_frames import SYMBOL, delta, snapshot
from tests.two_counts import ASKS, LIVE, WINDOW

LEVELS = 31
"""Of the venue: more than the deltas between two looks at it, so that what is old shows."""
LOOK = 5


class Round(NamedTuple):
    """What happens to one answer: deltas, a reset, and deltas before it comes."""

    is_late: bool
    before: int
    back: int
    after: int


ROUNDS = st.builds(
    Round,
    is_late=st.booleans(),
    before=st.integers(0, 120),
    back=st.just(0) | st.integers(WINDOW + 2, 3 * WINDOW),
    after=st.integers(0, 120),
)


class Venue:
    """A venue and a driver that has one request under way at most; its book tells its count and its sequence."""

    def __init__(self, levels: int = LEVELS) -> None:
        self.sync = BookSync("kucoin", SYMBOL)
        self.levels = levels
        self.count, self.sequence = 1, 100_000
        self.sizes: dict[int, tuple[str, str]] = {}
        self.request: bytes | None = None
        self.is_asked = False
        self.deltas(1)
        self.compute()
        self.answer()
        self.deltas(90)

    def one(self) -> bytes:
        """The next delta."""
        self.sequence += 1
        price = str(10 + self.sequence % self.levels)
        self.sizes[self.sequence % self.levels] = (price, f"{self.count}.{self.sequence}1")
        return delta(self.sequence, bids=[self.sizes[self.sequence % self.levels]])

    def tell(self, frame: bytes) -> None:
        """It reaches the book."""
        self.asked(self.sync.receive(frame))

    def asked(self, events: object) -> None:
        """The driver asks when it is told to, unless it waits for an answer already."""
        assert isinstance(events, tuple)
        self.is_asked |= any(isinstance(event, NeedSnapshot) for event in events)

    def deltas(self, count: int) -> None:
        """So many, one after the other."""
        for _ in range(count):
            self.tell(self.one())
            if self.sequence % LOOK == 0:
                self.check()

    def late(self) -> None:
        """One comes late enough for a wish, which is given up when it is there."""
        first, *others = (self.one() for _ in range(SyncSettings().reorder_hold_frames + 4))
        for frame in (*others, first):
            self.tell(frame)

    def compute(self) -> None:
        """The venue answers what was wished for last, and if nothing was, an audit; the answer is under way."""
        self.asked(self.sync.audit())
        if self.is_asked and self.request is None:
            self.request = self.body()

    def body(self) -> bytes:
        """The book as it is."""
        return snapshot(self.sequence, sorted(self.sizes.values(), reverse=True), ASKS)

    def answer(self) -> None:
        """It comes."""
        if self.request is not None:
            body, self.request, self.is_asked = self.request, None, False
            self.asked(self.sync.receive_snapshot(body, depth="full"))
            self.check()

    def reset(self, back: int) -> None:
        """All of it is another book, with numbers of before, and the next delta tells."""
        self.count += 1
        self.sequence -= back
        for number, (price, _) in self.sizes.items():
            self.sizes[number] = (price, f"{self.count}.1")
        self.deltas(1)

    def check(self) -> None:
        """LIVE: of the venue's present count, and every size as old as it may be."""
        if self.sync.state is LIVE:
            held = [(str(price), str(size)) for price, size in self.sync.book.exact.bids]
            assert sorted(self.sizes.values(), reverse=True) == held


@settings(max_examples=share(50))
@given(st.lists(ROUNDS, min_size=1, max_size=4))
def test_live_is_the_truth_of_the_present_count(rounds: list[Round]) -> None:
    """Whatever was asked for why, however long the answer takes, and however far the venue falls back meanwhile."""
    venue = Venue()
    for one in rounds:
        if one.is_late:
            venue.late()
        venue.compute()
        venue.deltas(one.before)
        if one.back:
            venue.reset(one.back)
        venue.deltas(one.after)
        venue.answer()
        venue.deltas(90)
        for _ in range(3):
            venue.compute()
            venue.answer()
            venue.deltas(1)
        assert LIVE is venue.sync.state


@given(
    st.integers(WINDOW + 2, 3 * WINDOW),
    st.integers(0, WINDOW - 1),
    st.lists(st.integers(0, 60), max_size=6),
    st.sampled_from([5, LEVELS, 90]),
    st.booleans(),
)
def test_no_answer_of_a_cache_that_knows_the_old_count_is_live(
    back: int, age: int, pauses: list[int], levels: int, is_lost: bool
) -> None:
    """However old, at whatever moment, though asked for after the reset; not even on the next link.

    As far as the old deltas are remembered; the first good answer beyond them ends it.
    """
    venue = Venue(levels)
    venue.deltas(levels - age % levels + WINDOW - age)
    cached = venue.body()
    venue.deltas(age)
    venue.reset(back)
    venue.sync.receive_snapshot(b"")
    for pause in pauses:
        venue.asked(venue.sync.receive_snapshot(cached, depth="full"))
        venue.check()
        if is_lost:
            is_lost = bool(venue.sync.connection_lost()) and False
        venue.deltas(pause)
    venue.is_asked = True
    venue.deltas(back)
    venue.compute()
    venue.answer()
    venue.deltas(1)
    assert LIVE is venue.sync.state
