"""Calls of one REST server: paced, signed, tried again while that may help, and told to whoever listens.

What a request costs is taken from the budget before it is sent. A failure that may pass is tried again after a random
wait that grows (full jitter: many clients that failed together do not come back together); a quota that is used up
holds back all requests of its pool until the moment that the venue named.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from orderbook.clock import loop_clock
from orderbook.errors import BadAnswer, RateLimited, Refused, RestError, UsageError
from orderbook.redact import hide, redact_url
from orderbook.secret import Credentials, check_credentials
from orderbook.venues import kucoin_rest
from orderbook.venues.kucoin_auth import signed_headers
from orderbook.venues.rest import Pool, Priority, RestRequest
from snapshots.budget import Clock, WeightBudget, shared_budget
from snapshots.transport import Answer, Transport

T = TypeVar("T")

Decode = Callable[[bytes, str], T]
"""From a body, and the same as text, to what the caller wants. A ``RestError`` that it raises is the call's."""

OnAnswer = Callable[[str, int, bytes, Mapping[str, str]], None]
"""Told of every whole answer: address without secrets, HTTP status, body, headers. It must not raise. It sees the
answers that hand out tokens, too: a capture's writer refuses them."""

ATTEMPTS: Final = 5

_CLOCK_IS_WRONG: Final = "400002"
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
    """

    priority: Priority
    key: Hashable = None
    rank: int = 0
    is_sent: bool = False


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
        self._skew_ms = 0
        self._transport = transport
        self._credentials = credentials
        self._secrets = (credentials.key, credentials.secret, credentials.passphrase) if credentials else ()
        self._given_budget = budget
        self._on_answer = on_answer
        self._settings = settings
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
        """Make a request: try, and try again what may pass. A wrong clock is set once, which is no attempt.

        Args:
            request: Which.
            decode: What to make of a successful answer.
            urgency: Its place in the budget's line.
            symbol: Whom it is about, for errors.
            attempts: How often it is tried at most.

        Raises:
            RestError: Of the last attempt.
            UsageError: Closed.
        """
        self.check_open()
        may_set_clock = request.signed

        async def attempt() -> T:
            nonlocal may_set_clock
            try:
                return await self._attempt(request, decode, urgency, symbol)
            except Refused as error:
                if error.code != _CLOCK_IS_WRONG or not may_set_clock:
                    raise
            may_set_clock = False
            await self._set_clock()
            return await self._attempt(request, decode, urgency, symbol)

        retrying = AsyncRetrying(
            sleep=self._settings.sleep,
            stop=stop_after_attempt(attempts),
            wait=self._pause_s,
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        result: T = await retrying(attempt)
        return result

    def _pause_s(self, state: RetryCallState) -> float:
        """Full jitter. What the venue named as a time to wait is in the budget, as a ban."""
        power = min(state.attempt_number - 1, 30)
        longest_ms = min(self._settings.retry_max_ms, self._settings.retry_base_ms * 2**power)
        return self._settings.rng.uniform(0, longest_ms) / 1_000

    async def _attempt(self, request: RestRequest, decode: Decode[T], urgency: Urgency, symbol: str) -> T:
        answer, _ = await self._send(request, urgency)
        body, text = self._accepted(request, answer, symbol)
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

    async def _send(self, request: RestRequest, urgency: Urgency) -> tuple[Answer, int]:
        """The answer, and the clock at which the request left."""
        if request.signed and self._credentials is None:
            raise Refused(None, "this request needs an API key", None, _NO_KEY)
        told, turned_away = None, False
        # Whoever tries again stands at the end of the line.
        grant = await self.budget.acquire(
            request.pool, request.weight, urgency.priority, key=urgency.key, rank=urgency.rank
        )
        urgency.is_sent = True
        try:
            self.check_open()
            headers: dict[str, str] = {}
            if request.signed and self._credentials is not None:
                # Signed after the wait for its turn: a timestamp is good for 5 s.
                headers = signed_headers(self._credentials, self._wall_ms(), request)
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
        return answer, sent_ns

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

    async def _set_clock(self) -> None:
        """Learn how far the venue's clock is from ours, to half a round trip."""
        request = kucoin_rest.time_request()
        answer, sent_ns = await self._send(request, Urgency(Priority.SESSION))
        half_ms = (self._settings.clock() - sent_ns) // 2_000_000
        wall_ms = self._settings.wall() // 1_000_000
        _, text = self._accepted(request, answer, "")
        self._skew_ms = kucoin_rest.decode_time(text) + half_ms - wall_ms

    def _wall_ms(self) -> int:
        return self._settings.wall() // 1_000_000 + self._skew_ms


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, RestError) and error.is_transient


def _not_text(status: int) -> BadAnswer:
    return BadAnswer(None, "the server sent a body that is no UTF-8", status, "try again later", is_transient=True)
