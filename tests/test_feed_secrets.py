"""No key, passphrase, token or signature shows anywhere, whatever goes wrong and however much is logged."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from orderbook.errors import OrderBookError
from orderbook.feed.errors import NotReady
from orderbook.feed.events import FeedEvent
from orderbook.feed.feed import Feed
from orderbook.feed.metrics import collect
from orderbook.feed.opening import open_feed
from orderbook.feed.redaction import SecretFilter
from orderbook.feed.settings import Transport
from orderbook.secret import Credentials
from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.market import SymbolMarket
from orderbook.simulator.rest import Answer, Reply
from orderbook.simulator.server import LocalKuCoin
from tests.feed_books import BOUND_S, BTC, ETH, FAST, SMALL, now_ns, until
from tests.transport_ends import LIBRARIES
from tests.unchecked import hook

KEY, SECRET, PASSPHRASE = "canary-of-the-key/+=", "canary-of-the-secret/+=", "canary of the passphrase"
TOKEN = "canary-of-the-token==.9x/+&?=="
LOGGERS = ("", "orderbook", "orderbook.feed", "websockets", "websockets.client", "aiohttp", "aiohttp.client", "asyncio")


@dataclass
class Evidence(logging.Handler):
    """All that was logged, raised, told and shown."""

    texts: list[str] = field(default_factory=list)
    canaries: set[str] = field(default_factory=lambda: {KEY, SECRET, PASSPHRASE, TOKEN, TOKEN[:20]})

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        """A line as it is printed, and everything that a formatter could take from it."""
        parts = [record.getMessage(), str(record.msg), repr(record.args), str(record.exc_text), str(record.stack_info)]
        if record.exc_info:
            parts += traceback.format_exception(record.exc_info[1])
        parts += [f"{name}={value!r}" for name, value in vars(record).items()]
        self.texts.append("\n".join(parts))

    def raised(self, error: BaseException | None) -> None:
        """An exception with everything behind it."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            self.texts += [*traceback.format_exception(error), repr(error), str(error), repr(error.args)]
            self.texts += [f"{name}={value!r}" for name, value in getattr(error, "__dict__", {}).items()]
            self.raised(error.__cause__)
            error = error.__context__

    def shown(self, *things: object) -> None:
        """What a user prints."""
        for thing in things:
            self.texts += [repr(thing), str(thing), format(thing)]

    def leaks(self) -> list[str]:
        """Where a canary shows, in any of the forms that it can be written in."""
        forms = set()
        for canary in self.canaries:
            forms |= {canary, quote(canary), quote(canary, safe=""), quote_plus(canary), repr(canary)[1:-1]}
            forms.add(json.dumps(canary)[1:-1])
        return [
            f"{form}: ...{text[max(0, text.index(form) - 200) : text.index(form) + 100]}"
            for text in self.texts
            for form in forms
            if form in text
        ]


@contextmanager
def everything_logged(evidence: Evidence) -> Iterator[None]:
    """Every logger there is at DEBUG, and warnings as well."""
    names = {*LOGGERS, *logging.root.manager.loggerDict}
    loggers = [logging.getLogger(name) for name in sorted(names)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(evidence)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0005
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        evidence.texts += [str(one.message) for one in caught]
    finally:
        loop.set_debug(False)
        logging.getLogger().removeHandler(evidence)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class Venue(LocalKuCoin):
    """Hands out the canary as its token, notes what its visitors sign, and may send them elsewhere."""

    def __init__(self, evidence: Evidence, accepted: Credentials, *, redirects: bool = False, **options: Any) -> None:
        # Few deltas: of each one, all that is logged is looked at, and a busy machine has to keep up with the stream.
        market = {symbol: SymbolMarket(symbol, 9, SMALL, rate=40.0) for symbol in (BTC, ETH)}
        super().__init__(market, seed=9, credentials=accepted, **options)
        self._evidence = evidence
        self._redirects = redirects
        self._plain = self.exchange.rest
        self._tokens = self.exchange._tokens
        hook(self._tokens, "issue", self._issue)
        hook(self.exchange, "rest", self._rest)

    def _issue(self, now_ns: int, *, is_private: bool, life_ns: int | None = None) -> str:
        self._tokens._issued[TOKEN] = (now_ns + (life_ns or self._tokens._life_ns), is_private)
        return TOKEN

    def _rest(self, method: str, target: str, headers: Mapping[str, str], *rest: Any) -> Answer:
        for name in ("KC-API-SIGN", "KC-API-PASSPHRASE"):
            if name in headers:
                self._evidence.canaries.add(headers[name])
        if self._redirects and "level2" in target:
            return Reply(0, 307, {"location": f"{self.url}/elsewhere?token={quote(TOKEN, safe='')}"}, b"")
        return self._plain(method, target, headers, *rest)


@dataclass(frozen=True)
class Scenario:
    """One way in which something goes wrong.

    Attributes:
        name: What.
        faults: From the first moment on.
        later: Once the books are LIVE.
        wrong: Which part of the key the venue does not accept.
        manners: The venue's.
        redirects: Whether it sends us elsewhere.
        ready: Whether the books become LIVE at all.
    """

    name: str
    faults: Sequence[Mapping[str, object]] = ()
    later: Sequence[Mapping[str, object]] = ()
    wrong: str = ""
    manners: Mapping[str, Any] = field(default_factory=dict)
    redirects: bool = False
    ready: bool = True


def _every(fault: str, **knobs: object) -> tuple[dict[str, object], ...]:
    return ({"fault": fault, **knobs, "p": 1},)


ECHO = f"KC-API-KEY {KEY} with passphrase {PASSPHRASE} and secret {SECRET} is not accepted"
SCENARIOS = (
    Scenario("nothing"),
    *(Scenario(f"wrong {part}", wrong=part, ready=False) for part in ("key", "secret", "passphrase")),
    Scenario("the venue echoes the key", _every("rest_error", path="level2", msg=ECHO, code="400003"), ready=False),
    Scenario("401 echoed", _every("rest_error", path="level2", msg=ECHO, code="400003", status=401), ready=False),
    Scenario("500 echoed", _every("rest_error", path="level2", msg=ECHO, status=500), ready=False),
    Scenario("redirect", redirects=True, ready=False),
    Scenario("handshake refused", _every("refuse", status=401), ready=False),
    Scenario("handshake refused once", ({"fault": "refuse", "status": 503},)),
    Scenario("token refused in the handshake", manners={"refusal": "http", "token_life_ms": 1}, ready=False),
    Scenario("token refused after it", manners={"token_life_ms": 1}, ready=False),
    Scenario("token expired", ({"fault": "token_expired"},)),
    Scenario("closed at once", ({"fault": "close_on_connect", "code": 1008, "reason": "token is expired"},)),
    *(Scenario(f"bad token {how}", ({"fault": "bad_token", "how": how},)) for how in ("empty", "no_token", "no_ping")),
    *(Scenario(f"bad token {how}", ({"fault": "bad_token", "how": how},)) for how in ("downgrade", "moved")),
    *(
        Scenario(f"{fault} instead of a token", ({"fault": fault, "path": "bullet"},))
        for fault in ("html", "cut_body", "cut", "rate_limited", "rest_error")
    ),
    Scenario("cut", later=({"fault": "disconnect"}, {"fault": "cut", "path": "level2"})),
    Scenario("closed", later=({"fault": "disconnect", "how": "close", "reason": "going away"},)),
    Scenario("error frames", later=({"fault": "error_frame", "code": 401, "text": "token is invalid"},)),
    Scenario("error frame with the token", later=({"fault": "error_frame", "code": 401, "text": TOKEN},)),
    Scenario("error ack with the token", ({"fault": "error_ack", "code": 404, "text": TOKEN},)),
    Scenario("closed with the token", later=({"fault": "disconnect", "how": "close", "reason": TOKEN},)),
    Scenario("closed at once with the token", ({"fault": "close_on_connect", "code": 1008, "reason": TOKEN},)),
    Scenario("error ack", ({"fault": "error_ack", "code": 401, "text": "token is expired"},)),
    Scenario("garbled", later=({"fault": "garble", "how": "cut", "nth": [1, 20]}, {"fault": "drop", "run": 3})),
    Scenario("clock skew", later=({"fault": "clock_skew", "ms": 60_000}, {"fault": "drop", "run": 3})),
    Scenario("maintenance", later=({"fault": "maintenance", "ms": 100},)),
)


def _show(evidence: Evidence, feed: Feed, events: Sequence[FeedEvent]) -> None:
    """Print all that a user can lay hands on."""
    evidence.shown(feed, feed.settings, feed.metrics, feed.herald, *events, *feed.dumps)
    with suppress(OrderBookError, AttributeError):
        evidence.shown(json.dumps(collect(feed)), feed.health(), feed._world, feed._world.rest, feed._placement)
        for link in feed._placement.links:
            evidence.shown(link, vars(link), link._link, getattr(link._link, "_socket", None))
        for symbol in feed.symbols:
            evidence.shown(feed.status(symbol), feed.counters(symbol), feed.journal(symbol), feed[symbol])
            evidence.shown(feed._books[symbol], feed.symbol_metrics(symbol), feed[symbol].view(3))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
async def test_no_secret_shows(scenario: Scenario, library: Transport, tmp_path: Path) -> None:
    """Not in a log line, a repr, an exception or what is behind it, an event, a metric, or the recording."""
    evidence = Evidence()
    path = tmp_path / "capture.jsonl.gz"
    ours = Credentials.of(KEY, SECRET, PASSPHRASE)
    parts = {"key": KEY, "secret": SECRET, "passphrase": PASSPHRASE}
    if scenario.wrong:
        parts[scenario.wrong] = "another"
    accepted = Credentials.of(parts["key"], parts["secret"], parts["passphrase"])
    events: list[FeedEvent] = []
    with everything_logged(evidence):
        plan = FaultPlan(scenario.faults)
        async with Venue(evidence, accepted, redirects=scenario.redirects, faults=plan, **scenario.manners) as venue:
            feed = open_feed(
                "kucoin",
                [BTC, ETH],
                url=venue.url,
                credentials=ours,
                settings=replace(FAST, transport=library),
                record=path,
                on_event=events.append,
            )
            evidence.shown(feed, ours, venue.credentials)
            async with feed:
                if scenario.ready:
                    await feed.ready(BTC, timeout_s=BOUND_S)
                    await feed.ready(ETH, timeout_s=BOUND_S)
                else:
                    with pytest.raises(NotReady) as caught:
                        await feed.ready(BTC, timeout_s=0.4)
                    evidence.raised(caught.value)
                _show(evidence, feed, events)
                if scenario.later:
                    venue.exchange.add_faults(FaultPlan(scenario.later), now_ns())
                    faults = {str(fault["fault"]) for fault in scenario.later} - {"cut"}
                    await until(lambda: all(venue.exchange.ledger.count(fault) for fault in faults))
                    sequence = venue.market[BTC].sequence
                    await until(lambda: feed[BTC].is_live and feed[BTC].sequence > sequence + 4)
                _show(evidence, feed, events)
            _show(evidence, feed, events)
    evidence.texts.append(gzip.decompress(path.read_bytes()).decode())

    assert len(evidence.texts) > 50
    assert [] == evidence.leaks()[:3]


@pytest.mark.parametrize("proxy", ["", "http://user:hunter2-of-the-proxy@"])
async def test_an_error_of_an_unreachable_venue_shows_nothing(proxy: str) -> None:
    """Nobody listens there; a proxy's password is not shown either."""
    evidence = Evidence()
    evidence.canaries.add("hunter2-of-the-proxy")
    ours = Credentials.of(KEY, SECRET, PASSPHRASE)
    with everything_logged(evidence):
        async with Venue(evidence, ours) as venue:
            url = venue.url
        address = proxy + url.removeprefix("http://") if proxy else None
        feed = open_feed(url=url, symbols=[BTC], credentials=ours, proxy=address)
        evidence.shown(feed)
        with pytest.raises(OrderBookError) as caught:
            async with asyncio.timeout(30), feed:
                pytest.fail("it opened")
        evidence.raised(caught.value)
    assert [] == evidence.leaks()


@pytest.mark.parametrize("text", [KEY, quote(TOKEN, safe=""), TOKEN, json.dumps({"passphrase": PASSPHRASE})])
def test_the_canaries_would_be_found(text: str) -> None:
    """The test of the test: each kind of evidence is looked at, in every form of a secret."""
    evidence = Evidence()
    evidence.handle(logging.makeLogRecord({"msg": "nothing %s", "args": ({"deep": text},)}))
    logged = len(evidence.leaks())
    error = KeyError()
    error.__context__ = ValueError(text)
    evidence.raised(error)
    raised = len(evidence.leaks())
    evidence.shown(text)
    assert 0 < logged < raised < len(evidence.leaks())


async def test_the_library_underneath_would_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the filter on its logger the token is in the log: so these tests look at the right place."""
    monkeypatch.setattr(SecretFilter, "filter", lambda _self, _record: True)
    with pytest.raises(AssertionError, match="canary-of-the-token"):
        await test_no_secret_shows(SCENARIOS[0], "websockets", tmp_path)
