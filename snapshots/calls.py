"""Calls of one REST server: paced, signed, tried again while that may help, and told to whoever listens.

What a request costs is taken from the budget before it is sent. A failure that may pass is tried again after a random
wait that grows (full jitter: many clients that failed together do not come back together); a quota that is used up
holds back all requests of its pool until the moment that the venue named. What a refused time stamp asks for stands in
``snapshots.venue_clock``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from orderbook.clock import loop_clock
from orderbook.errors import BadAnswer, RateLimited, Refused, RestError, Unreachable, UsageError
from orderbook.redact import hide, redact_url
from orderbook.secret import Credentials, check_credentials
from orderbook.venues import kucoin_rest
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.rest import Pool, Priority, RestRequest
from snapshots.budget import Clock, WeightBudget, shared_budget
from snapshots.transport import Answer, Transport
from snapshots.venue_clock import Stamp, VenueClock

T = TypeVar("T")

Decode = Callable[[bytes, str], T]
"""From a body, and the same as text, to what the caller wants. A ``RestError`` that it raises is the call's."""

OnAnswer = Callable[[str, int, bytes, Mapping[str, str]], None]
"""Told of every whole answer: address without secrets, HTTP status, body, headers. It must not raise. It sees the
answers that hand out tokens, too: a capture's writer refuses them."""

ATTEMPTS: Final = 5

_EDGE_BLOCK: Final = "1015"
_CLOSED: Final = "this REST client is closed"
_NO_KEY: Final = "set KUCOIN_API_KEY, KUCOIN_API_SECRET and KUCOIN_API_PASSPHRASE, or hand credentials in"


@dataclass(eq=False, slots=True)
class Urgency:
    """How urgent a request is, which may change while it waits, and the name by which the budget finds it.

    Attributes:
        priority: See ``Priority``.
        key: The name.
        rank: See ``WeightBudget.acquire``.
        is_sent: Whether it is on its way to the venue and back at this moment.
        problem: Why the last attempt brought nothing; ``None``: there was none.
    """

    priority: Priority
    key: Hashable = None
    rank: int = 0
    is_sent: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """How calls are made; times are ms.

    Attributes:
        timeout_ms: For one attempt, from the connection to the last byte.
        retry_base_ms: The first wait is random up to this; it doubles with each attempt.
        retry_max_ms: Cap of that.
        clock: Monotonic ns; the loop's by default.
        wall: ns since the epoch, for signing.
        rng: Jitter.
        sleep: Waits between attempts, in seconds.
    """

    timeout_ms: int = 10_000
    retry_base_ms: int = 250
    retry_max_ms: int = 10_000
    clock: Clock = loop_clock
    wall: Clock = time.time_ns
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Sent(NamedTuple):
    """An answer, the clock at which its request left, and the time stamp that it was signed with, if it was."""

    answer: Answer
    at_ns: int
    stamp: Stamp | None


class Caller:
    """Makes the calls of one server.

    Args:
        base_url: Its address, checked.
        transport: Carries the requests.
        credentials: Signs private ones.
        budget: Weights; the process's budget for this host by default.
        on_answer: See ``OnAnswer``.
        settings: See ``CallSettings``.

    Raises:
        UsageError: Credentials that are something else.

    Attributes:
        base_url: As given.
    """

    def __init__(
        self,
        base_url: str,
        transport: Transport,
        *,
        credentials: Credentials | None,
        budget: WeightBudget | None,
        on_answer: OnAnswer | None,
        settings: CallSettings,
    ) -> None:
        check_credentials(credentials)
        self.base_url = base_url
        self._transport = transport
        self._credentials = credentials
        self._secrets = (credentials.key, credentials.secret, credentials.passphrase) if credentials else ()
        self._given_budget = budget
        self._on_answer = on_answer
        self._settings = settings
        # Half of what an attempt waits at most: whoever failed with it finds it ready to be tried.
        pauses_ms = (max(1, settings.retry_base_ms // 2), max(1, settings.retry_max_ms // 2))
        self._venue_clock = VenueClock(settings.wall, settings.clock, *pauses_ms)
        self._is_closed = False

    @property
    def budget(self) -> WeightBudget:
        """Where the weights are counted. Asked for the first time within the running loop."""
        if self._given_budget is None:
            self._given_budget = shared_budget(urlsplit(self.base_url).netloc)
        return self._given_budget

    async def close(self) -> None:
        """Close every connection; doing it twice is allowed."""
        self._is_closed = True
        await self._transport.close()

    def check_open(self) -> None:
        """Raise ``UsageError`` once closed."""
        if self._is_closed:
            raise UsageError(_CLOSED)

    async def call(
        self,
        request: RestRequest,
        decode: Decode[T],
        urgency: Urgency,
        *,
        symbol: str = "",
        attempts: int = ATTEMPTS,
    ) -> T:
        """Make a request: try, and try again what may pass. A wrong clock is set, which is no attempt.

        Args:
            request: Which.
            decode: What to make of a successful answer.
            urgency: Its place in the budget's line.
            symbol: Whom it is about, for errors.
            attempts: How often it is tried at most.

        Raises:
            RestError: Of the last attempt.
            UsageError: Closed.
            CancelledError: Noting what was wrong with the attempt before, if there was one.
        """
        self.check_open()
        retrying = AsyncRetrying(
            sleep=self._settings.sleep,
            stop=stop_after_attempt(attempts),
            wait=self._pause_s,
            retry=retry_if_exception(_may_pass),
            before_sleep=partial(_note_problem, urgency),
            reraise=True,
        )
        try:
            result: T = await retrying(self._attempt, request, decode, urgency, symbol)
        except asyncio.CancelledError as error:
            # Whoever does not wait any longer may want to say why it took so long.
            if urgency.problem is not None:
                error.add_note(urgency.problem)
            raise
        return result

    def _pause_s(self, state: RetryCallState) -> float:
        """Full jitter. What the venue named as a time to wait is in the budget, as a ban."""
        power = min(state.attempt_number - 1, 30)
        longest_ms = min(self._settings.retry_max_ms, self._settings.retry_base_ms * 2**power)
        pause_ms = self._settings.rng.uniform(0, longest_ms)
        if state.outcome is not None and isinstance(state.outcome.exception(), Refused):
            # An attempt before the clock may be tried would be none.
            pause_ms = max(pause_ms, self._venue_clock.quiet_ms + 1)
        return pause_ms / 1_000

    async def _attempt(self, request: RestRequest, decode: Decode[T], urgency: Urgency, symbol: str) -> T:
        """Make a request once; twice, if the clock was believed to be right and had to be set."""
        clock = self._venue_clock
        if not request.signed or not clock.is_wrong:
            try:
                return await self._once(request, decode, urgency, symbol)
            except Refused as error:
                if not request.signed or error.code != kucoin_rest.CLOCK_IS_WRONG:
                    raise
        return await clock.mend(self._ask_skew_ms, partial(self._once, request, decode, urgency, symbol))

    async def _once(
        self, request: RestRequest, decode: Decode[T], urgency: Urgency, symbol: str, *, is_trial: bool = False
    ) -> T:
        answer, _, stamp = await self._send(request, urgency, is_trial=is_trial)
        try:
            body, text = self._accepted(request, answer, symbol)
        except Refused as error:
            if stamp is None or error.code != kucoin_rest.CLOCK_IS_WRONG:
                raise
            raise self._venue_clock.refused(stamp, error) from None
        if stamp is not None:
            self._venue_clock.accepted(stamp)
        return decode(body, text)

    def _accepted(self, request: RestRequest, answer: Answer, symbol: str) -> tuple[bytes, str]:
        """The body of a success, also as text; whatever it is, the listener is told."""
        text, problem = self._judged(answer, symbol)
        body = answer.body if problem is None else text.encode()
        if self._on_answer is not None:
            address = redact_url(f"{self.base_url}{request.encoded_target}")
            self._on_answer(address, answer.status, body, answer.headers)
        if problem is not None:
            self._hold_back(request, problem)
            raise problem
        return body, text

    async def _send(self, request: RestRequest, urgency: Urgency, *, is_trial: bool = False) -> _Sent:
        """Wait for the request's turn, and make it. With a clock that is wrong only the one that tries it is made."""
        if request.signed and self._credentials is None:
            raise Refused(None, "this request needs an API key", None, _NO_KEY)
        stamp, told, turned_away = None, None, False
        # Whoever tries again stands at the end of the line.
        grant = await self.budget.acquire(
            request.pool, request.weight, urgency.priority, key=urgency.key, rank=urgency.rank
        )
        if request.signed and self._venue_clock.is_wrong and not is_trial:
            # It was found out while this one waited for its turn. What would be refused is not sent.
            self.budget.give_back(grant)
            raise self._venue_clock.problem()
        urgency.is_sent = True
        try:
            self.check_open()
            headers: dict[str, str] = {}
            if request.signed and self._credentials is not None:
                # Signed after the wait for its turn: a timestamp is good for 5 s.
                stamp = self._venue_clock.stamp()
                headers = signed_headers(self._credentials, stamp.ms, request)
            sent_ns = self._settings.clock()
            answer = await self._transport.send(
                request.method,
                f"{self.base_url}{request.encoded_target}",
                headers,
                request.body,
                timeout_ms=self._settings.timeout_ms,
            )
            told = kucoin_rest.rate_limit(answer.headers)
            # With its headers it is our quota that is used up.
            turned_away = answer.status == HTTPStatus.TOO_MANY_REQUESTS and told is None
        finally:
            urgency.is_sent = False
            self.budget.settle(grant, told, turned_away=turned_away)
        return _Sent(answer, sent_ns, stamp)

    def _judged(self, answer: Answer, symbol: str) -> tuple[str, RestError | None]:
        """The body as text, and what is wrong with it. The text of a failure may hold what we sent: it is taken out."""
        try:
            text = answer.body.decode()
        except UnicodeDecodeError:
            text = answer.body.decode(errors="backslashreplace")
            return hide(text, self._secrets), _not_text(answer.status)
        if kucoin_rest.answer_problem(answer.status, text, answer.headers, symbol) is None:
            return text, None
        text = hide(text, self._secrets)
        return text, kucoin_rest.answer_problem(answer.status, text, answer.headers, symbol)

    def _hold_back(self, request: RestRequest, problem: RestError) -> None:
        if isinstance(problem, RateLimited) and problem.is_quota and problem.retry_ms is not None:
            # The edge looks at the address alone, so it stops the other pool as well.
            pools: tuple[Pool, ...] = ("public", "spot") if problem.code == _EDGE_BLOCK else (request.pool,)
            for pool in pools:
                self.budget.ban(pool, problem.retry_ms)

    async def _ask_skew_ms(self) -> int:
        """How far the venue's clock is ahead of ours, to half a round trip. Raises ``RestError``."""
        request = kucoin_rest.time_request()
        try:
            # Its turn may be minutes away, and whoever waits for this is to hear that the clock is wrong.
            async with asyncio.timeout(self._settings.timeout_ms / 1_000):
                answer, sent_ns, _ = await self._send(request, Urgency(Priority.SESSION))
        except TimeoutError:
            raise Unreachable(None, "no answer in time, or no turn to ask", is_transient=True) from None
        half_ms = (self._settings.clock() - sent_ns) // 2_000_000
        wall_ms = self._settings.wall() // 1_000_000
        _, text = self._accepted(request, answer, "")
        return kucoin_rest.decode_time(text) + half_ms - wall_ms


def _note_problem(urgency: Urgency, state: RetryCallState) -> None:
    urgency.problem = None if state.outcome is None else str(state.outcome.exception())


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, RestError) and error.is_transient


def _not_text(status: int) -> BadAnswer:
    return BadAnswer(None, "the server sent a body that is no UTF-8", status, "try again later", is_transient=True)
