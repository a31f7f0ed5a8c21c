"""The venue's REST interface, live: snapshots, probes, tokens and symbol rules, each whole or an error.

How a call is paced, signed and retried stands in ``snapshots.calls``; what it costs in ``snapshots.budget``.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from orderbook.errors import BadAnswer, UnknownSymbol
from orderbook.own import OwnOrder
from orderbook.secret import Credentials
from orderbook.venues import kucoin_orders, kucoin_rest
from orderbook.venues.kucoin_auth import credentials_for
from orderbook.venues.rest import Depth, Instrument, Pool, Priority, RestRequest, Token, check_address
from snapshots.budget import WeightBudget
from snapshots.calls import ATTEMPTS, Caller, CallSettings, OnAnswer, Urgency
from snapshots.transport import HttpTransport, Transport

__all__ = ["CallSettings", "OnAnswer", "Rest", "credentials_for"]

BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""Several times the longest book seen."""


@dataclass(eq=False, slots=True)
class _Flight:
    """A snapshot that is under way, and how many wait for it."""

    depth: Depth
    pool: Pool
    urgency: Urgency
    task: asyncio.Task[bytes]
    callers: int = 0


class Rest:
    """A client of one REST server.

    Use it in one event loop, as a context manager or with ``close``. All times are ms.

    Args:
        base_url: ``https://host``; plain ``http`` only for this machine.
        credentials: Signs private requests. Whether they may go to this server is the caller's decision, see
            ``credentials_for``.
        budget: Weights; the process's budget for this host by default.
        proxy: Address of an HTTP proxy. Proxies of the environment are not used.
        ssl: A context that trusts other authorities. Checking cannot be switched off.
        calls: Time-outs, retries and clocks, see ``CallSettings``.
        body_bytes_max: Longest body that is read.
        on_answer: See ``OnAnswer``.
        weights: What snapshots cost, by depth, where it differs from ``kucoin_rest.SNAPSHOT_WEIGHTS``.
        transport: Instead of HTTP; it is closed with the client, and ``proxy`` and ``ssl`` are its own affair.

    Raises:
        UsageError: An address, proxy, context or credentials that cannot be used.
    """

    def __init__(
        self,
        base_url: str = kucoin_rest.HOST,
        *,
        credentials: Credentials | None = None,
        budget: WeightBudget | None = None,
        proxy: str | None = None,
        ssl: tls.SSLContext | None = None,
        calls: CallSettings | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
        on_answer: OnAnswer | None = None,
        weights: Mapping[Depth, int] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._caller = Caller(
            check_address(base_url),
            transport or HttpTransport(proxy=proxy, context=ssl, body_bytes_max=body_bytes_max),
            credentials=credentials,
            budget=budget,
            on_answer=on_answer,
            settings=calls or CallSettings(),
        )
        self._weights = {**kucoin_rest.SNAPSHOT_WEIGHTS, **(weights or {})}
        self._flights: dict[str, _Flight] = {}
        self._kept: Pool | None = None

    @property
    def base_url(self) -> str:
        """The server's address."""
        return self._caller.base_url

    @property
    def budget(self) -> WeightBudget:
        """Where the weights are counted. Asked for the first time within the running loop."""
        return self._caller.budget

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel the snapshots under way and close every connection; doing it twice is allowed."""
        closing = self._caller.close()
        if self._kept is not None:
            self.budget.keep(self._kept, self, 0)
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(closing, *tasks, return_exceptions=True)

    async def call(
        self, request: RestRequest, *, priority: Priority = Priority.LOST, attempts: int = ATTEMPTS
    ) -> bytes:
        """Make a request.

        Args:
            request: Which.
            priority: How urgent, when the budget is short.
            attempts: How often it is tried at most, while its failures may pass.

        Returns:
            The body of a successful answer.

        Raises:
            RestError: Of the last attempt; see its subclasses.
            UsageError: The client is closed.
        """
        return await self._caller.call(request, lambda body, _: body, Urgency(priority), attempts=attempts)

    async def snapshot(self, symbol: str, depth: Depth, *, priority: Priority = Priority.LOST, rank: int = 0) -> bytes:
        """The venue's order book.

        A symbol has one snapshot under way at a time. Whoever asks for the same one shares it, and makes it as urgent
        as he is; it may have been answered before he asked, so its sequence decides whether it is of use to him.

        Args:
            symbol: Whose book.
            depth: Levels a side; ``"full"`` needs credentials.
            priority: How urgent, when the budget is short.
            rank: What matters more among those that are as urgent; the lowest number comes first.

        Returns:
            The body, for ``BookSync.receive_snapshot``.

        Raises:
            UnknownSymbol: The venue has no such symbol, or does not trade it.
            RestError: Any other failure.
            UsageError: Not a symbol or depth, or the client is closed.
        """
        self._caller.check_open()
        request = kucoin_rest.book_request(symbol, depth)._replace(weight=self._weights[depth])
        while (flight := self._flights.get(symbol)) is not None:
            self._hasten(flight, priority, min(flight.urgency.rank, rank))
            if flight.depth == depth:
                return await self._share(symbol, flight)
            await asyncio.wait([flight.task])
        return await self._share(symbol, self._take_off(symbol, depth, request, Urgency(priority, object(), rank)))

    def place(self, symbol: str) -> int | None:
        """The place of a symbol's snapshot in the budget's line; 1 is next, ``None``: it is not in it."""
        flight = self._flights.get(symbol)
        return None if flight is None else self.budget.place(flight.pool, flight.urgency.key)

    def is_sent(self, symbol: str) -> bool:
        """Whether a snapshot of a symbol is on its way to the venue and back."""
        flight = self._flights.get(symbol)
        return flight is not None and flight.urgency.is_sent

    def problem(self, symbol: str) -> str | None:
        """Why the last attempt at a snapshot under way brought nothing; ``None``: there was none."""
        flight = self._flights.get(symbol)
        return None if flight is None else flight.urgency.problem

    def move(self, symbol: str, rank: int) -> None:
        """Give a symbol's snapshot another rank, while it waits."""
        if (flight := self._flights.get(symbol)) is not None and flight.urgency.rank != rank:
            self._hasten(flight, flight.urgency.priority, rank)

    def keep(self, depth: Depth, count: int) -> None:
        """Keep what so many snapshots of rank 0 cost from others, for a moment; see ``WeightBudget.keep``."""
        self._kept = kucoin_rest.book_request("A-B", depth).pool
        self.budget.keep(self._kept, self, count * self._weights[depth])

    def forecast_ms(self, depth: Depth, count: int) -> int:
        """About how long it takes until so many snapshots of this client are there, those under way among them."""
        request = kucoin_rest.book_request("A-B", depth)
        to_come = max(0, count - len(self._flights))
        return self.budget.forecast_ms(request.pool, self._weights[depth], to_come) if count else 0

    def _hasten(self, flight: _Flight, priority: Priority, rank: int) -> None:
        flight.urgency.priority = min(flight.urgency.priority, priority)
        flight.urgency.rank = rank
        self.budget.hasten(flight.pool, flight.urgency.key, priority, rank)

    async def probe(self, symbol: str, *, priority: Priority = Priority.PROBE) -> int:
        """The venue's sequence of a symbol, in one small request. Raises as ``snapshot``."""
        request = kucoin_rest.touch_request(symbol)

        def decode(_: bytes, text: str) -> int:
            _check_known(symbol, text)
            return kucoin_rest.decode_sequence(text)

        return await self._caller.call(request, decode, Urgency(priority), symbol=symbol)

    async def token(self, *, private: bool = False) -> Token:
        """What opens one WebSocket connection. Raises ``RestError``."""
        # A server on this machine may send us to another one on it, and to nowhere else without encryption.
        allow_plain = self.base_url.startswith("http:")
        return await self._caller.call(
            kucoin_rest.token_request(private=private),
            lambda _, text: kucoin_rest.decode_token(text, allow_plain=allow_plain),
            Urgency(Priority.SESSION),
        )

    async def symbols(self) -> tuple[Instrument, ...]:
        """The rules of all symbols. Raises ``RestError``."""
        return await self._caller.call(
            kucoin_rest.symbols_request(),
            lambda _, text: kucoin_rest.decode_symbols(text),
            Urgency(Priority.SESSION),
        )

    async def open_orders(self) -> tuple[OwnOrder, ...]:
        """All open orders of the account, of every symbol, for ``OwnOrders.finish_reread``. Needs credentials.

        A list that changes between its pages is asked for anew.

        Raises:
            RestError: No answer, or another list each time.
        """
        for _ in range(ATTEMPTS):
            pages = [await self._orders_page(1)]
            while len(pages) < pages[-1].page_count:
                pages.append(await self._orders_page(len(pages) + 1))
            if kucoin_orders.is_whole(pages):
                return tuple([order for page in pages for order in page.orders])
        said = "KuCoin's list of open orders changed between its pages each time"
        raise BadAnswer(None, said, advice="ask again when fewer orders come and go", is_transient=True)

    async def _orders_page(self, page: int) -> kucoin_orders.OrdersPage:
        return await self._caller.call(
            kucoin_orders.open_orders_request(page),
            lambda _, text: kucoin_orders.decode_open_orders(text),
            Urgency(Priority.SESSION),
        )

    def _take_off(self, symbol: str, depth: Depth, request: RestRequest, urgency: Urgency) -> _Flight:
        def decode(body: bytes, text: str) -> bytes:
            _check_known(symbol, text)
            return body

        task = asyncio.create_task(self._caller.call(request, decode, urgency, symbol=symbol))
        flight = self._flights[symbol] = _Flight(depth, request.pool, urgency, task)
        task.add_done_callback(lambda _: self._land(symbol, flight))
        return flight

    async def _share(self, symbol: str, flight: _Flight) -> bytes:
        """Wait for a snapshot under way; the last one to lose interest cancels it."""
        flight.callers += 1
        try:
            return await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                # Nobody cancelled the caller: the client was closed under him.
                self._caller.check_open()
            raise
        finally:
            flight.callers -= 1
            if not flight.callers and not flight.task.done():
                flight.task.cancel()
                # At once: who asks now must not join what is being cancelled.
                self._forget(symbol, flight)

    def _land(self, symbol: str, flight: _Flight) -> None:
        self._forget(symbol, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # seen, even if everybody left in the same moment

    def _forget(self, symbol: str, flight: _Flight) -> None:
        if self._flights.get(symbol) is flight:
            del self._flights[symbol]


def _check_known(symbol: str, text: str) -> None:
    if kucoin_rest.is_unknown_symbol(text):
        said = f"KuCoin knows no book of {symbol}"
        raise UnknownSymbol(None, said, 200, "check its name, such as BTC-USDT, and that it trades", symbol=symbol)
