"""An API key that the venue does not take, for streams of its account: told once and clearly, tried again slowly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from orderbook.clock import loop_clock
from orderbook.errors import Refused, RestError, Unreachable
from orderbook.feed.errors import StreamNotReady
from orderbook.feed.events import FeedEvent, KeyRefused
from orderbook.feed.opening import open_feed
from orderbook.feed.ownkeeper import OwnKeeper
from orderbook.feed.pacing import MS
from orderbook.own import OwnOrder
from orderbook.secret import Credentials
from orderbook.streams import Missed
from orderbook.testing import VirtualKuCoin, in_virtual_time
from orderbook.venues.rest import Token
from tests.feed_world import eventually
from tests.simulator_clients import BTC
from tests.stream_world import StreamVenue, played, scene, take
from tests.waiting import elapse

NO_KEY = Refused("400003", "KuCoin answered code 400003: KC-API-KEY not exists", 401, "check the API key")
NO_PERMISSION = Refused("400007", "KuCoin answered code 400007: access denied", 403, "give it the General permission")


@dataclass
class Gate(StreamVenue):
    """A venue that notes when it is asked for a token.

    Attributes:
        asked_ns: When, each time.
    """

    asked_ns: list[int] = field(default_factory=list)

    async def token(self, *, private: bool = False) -> Token:
        self.asked_ns.append(loop_clock())
        return await super().token(private=private)


def test_a_key_that_is_refused_is_one_event_and_tried_again_slowly() -> None:
    """Readers are told at once and need not wait; and when the venue takes it after all, they go on."""

    async def story() -> None:
        gate = Gate(token_problem=NO_KEY)
        async with scene(gate, has_key=True) as on:
            reader = on.feed.orders()
            with pytest.raises(StreamNotReady, match="400003: KC-API-KEY not exists; check the API key"):
                await reader.ready()
            missed = await anext(reader)
            assert isinstance(missed, Missed)
            assert (False, str(NO_KEY)) == (missed.is_over, missed.reason)
            late = on.feed.balances()
            with pytest.raises(StreamNotReady, match="400003"):
                await late.ready()
            assert ["missed"] == await take(late, 1)
            await elapse(3_600)
            assert [KeyRefused("400003", NO_KEY.text, "check the API key")] == on.events(KeyRefused)
            waits_s = [(then - now) / MS / 1e3 for now, then in zip(gate.asked_ns, gate.asked_ns[1:], strict=False)]
            assert 9 <= len(waits_s) <= 16
            assert all(225 <= wait_s <= 375 for wait_s in waits_s)
            gate.token_problem = NO_PERMISSION
            await elapse(800)
            assert ["400003", "400007"] == [event.code for event in on.events(KeyRefused)]
            gate.token_problem = None
            await eventually(lambda: reader.is_live and late.is_live)
            assert ["over"] == await take(reader, 1) == await take(late, 1)

    played(story)


@pytest.mark.parametrize(
    "problem",
    [
        Unreachable(None, "no answer", is_transient=True),
        Refused("400002", "the clock is wrong", 401, is_transient=True),
        Refused(None, "a proxy said 403", 403),
    ],
)
def test_what_may_pass_is_tried_again_soon(problem: RestError) -> None:
    """As for every other connection."""

    async def story() -> None:
        gate = Gate(token_problem=problem)
        async with scene(gate, has_key=True) as on:
            reader = on.feed.orders()
            await elapse(120)
            assert len(gate.asked_ns) > 5
            assert [] == on.events(KeyRefused)
            gate.token_problem = None
            await reader.ready(timeout_s=60)

    played(story)


def test_a_key_that_is_refused_later_is_told_to_who_waits() -> None:
    """Behind a lost connection: a second time, as it was taken in between."""

    async def story() -> None:
        gate = Gate(token_problem=NO_KEY)
        async with scene(gate, has_key=True, refused_retry_ms=10_000) as on:
            reader = on.feed.orders()
            await eventually(lambda: on.events(KeyRefused))
            gate.token_problem = None
            await eventually(lambda: reader.is_live)
            gate.token_problem = NO_KEY
            (await on.socket()).hang_up()
            await eventually(lambda: not reader.is_live)
            with pytest.raises(StreamNotReady, match="check the API key"):
                await reader.ready(timeout_s=60)
            assert 2 == len(on.events(KeyRefused))

    played(story)


def test_no_book_needs_a_key() -> None:
    """Who refuses one for a public connection is asked again as ever."""

    async def story() -> None:
        gate = Gate(token_problem=NO_KEY)
        async with scene(gate) as on:
            reader = on.feed.trades(BTC)
            await elapse(120)
            assert len(gate.asked_ns) > 5
            assert [] == on.events(KeyRefused)
            gate.token_problem = None
            await reader.ready(timeout_s=60)

    played(story)


@in_virtual_time
async def test_a_wrong_key_at_the_local_kucoin() -> None:
    """The books are none the worse for it, nothing shows the key, and one's own orders say why they are not known."""
    told: list[FeedEvent] = []
    canary = "canary-of-a-key"

    async def read() -> Iterable[OwnOrder]:
        raise AssertionError("nobody asks for a list while the stream is refused")

    async with VirtualKuCoin(symbols=[BTC], seed=1) as venue:
        wrong = Credentials.of(canary, f"{canary}-secret", f"{canary}-passphrase")
        venue.strike({"fault": "rest_error", "path": "bullet-private", "status": 401, "code": "400003", "msg": canary})
        feed = open_feed(
            symbols=[BTC],
            url=venue.url,
            credentials=wrong,
            depth=100,
            on_event=told.append,
            outside=venue.outside(),
        )
        async with feed:
            async with OwnKeeper(feed.orders(), read) as own:
                with pytest.raises(TimeoutError):
                    await own.ready(timeout_s=20)
                assert "400003" in (own.problem or "")
            await feed.ready(BTC, timeout_s=10)
            refusals = [one.event for one in told if isinstance(one.event, KeyRefused)]
            assert ["400003"] == [one.code for one in refusals]
            assert "check the API key" in refusals[0].advice
            assert canary not in f"{told} {own.problem} {feed!r}"
