"""What every transport does alike: words for what went wrong, and a token that nobody gets to see."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qs, urlsplit

from orderbook.feed.errors import LinkError
from orderbook.feed.seams import SocketClosed
from orderbook.redact import scrub
from orderbook.secret import Secret

CUT: Final = "1006 connection cut"
"""How a connection ends to which nobody said goodbye."""
BATCH_MAX: Final = 256
"""Messages that are handed over at a time, at most: others on the loop have their turn in between."""
NO_TIME: Final = "no answer in time"
NO_ADDRESS: Final = "not a WebSocket address"

_TOKENS_MAX: Final = 100

recent_tokens: Final[deque[Secret]] = deque(maxlen=_TOKENS_MAX)
"""Those of the last connections: they are kept out of the log."""


class Address:
    """Where a connection goes; its token is kept out of the log from now on.

    Args:
        url: With the token in its query.

    Attributes:
        url: As given.
        host: For errors.
        token: What the query holds; should the venue ever repeat it, nobody gets to see it.
        is_safe: Over TLS.

    Raises:
        LinkError: It is none.
    """

    def __init__(self, url: Secret) -> None:
        self.url = url
        try:
            parts = urlsplit(url.reveal())
            self.host = parts.hostname
        except ValueError:
            raise LinkError(f"cannot connect: {NO_ADDRESS}") from None
        self.token = Secret(parse_qs(parts.query).get("token", [""])[0])
        self.is_safe = parts.scheme == "wss"
        recent_tokens.append(self.token)

    def problem(self, what: str) -> LinkError:
        """The error that tells why there is no connection."""
        return LinkError(f"cannot connect to {self.host!a}: {what}")

    @contextmanager
    def connecting(self, words: Callable[[Exception], str], *kinds: type[Exception]) -> Iterator[None]:
        """Tell of a library's errors in words of ours.

        Args:
            words: What such an error says, without anything secret.
            kinds: Which errors.

        Raises:
            LinkError: In place of each of them.
        """
        try:
            yield
        except kinds as error:
            # Its own text may hold the address with the token in it, or the proxy's with its password.
            raise self.problem(words(error)) from None


class Inbox:
    """Messages that came, for one reader; and in the end, that no more will come."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque()
        #: What a receiver is told, once nothing is left to be read.
        self._ending: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def _filled(self) -> None:
        """Wait until there is something to be taken.

        Raises:
            SocketClosed: There will be nothing any more.
        """
        while not self._frames:
            if self._ending is not None:
                raise SocketClosed(self._ending)
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        """Something has come, or has ended."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def os_problem(error: OSError) -> str:
    """An error of the system, of TLS, or of a time-out, in words that hold no address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return NO_TIME
    return error.strerror or type(error).__name__


def refusal(status: int | None, error: Exception, *, by_proxy: bool = False) -> str:
    """A handshake that failed, with the HTTP status if there was one."""
    # A server that answers 101 has not refused: it does not know how to go on.
    if status is None or status == 101:
        return f"bad handshake ({type(error).__name__})"
    return f"{'its proxy ' if by_proxy else ''}refused with HTTP status {status}"


def ending(code: int, reason: str, token: Secret) -> str:
    """Close code and reason, as short text that is safe to show."""
    return f"{code} {ascii(scrub(reason, [token]))[1:-1][:120]}".rstrip()


def too_long(bytes_max: int) -> str:
    """Why a message is not taken."""
    return f"message longer than {bytes_max} bytes"


class Veil:
    """Takes a token out of messages.

    Args:
        token: Which.
    """

    def __init__(self, token: Secret) -> None:
        self._token = token.reveal().encode()

    def over(self, frames: Collection[bytes]) -> Collection[bytes]:
        """The same messages, without the token.

        Complexity: O(bytes); one search through all of them together costs a tenth of one search in each.
        """
        token = self._token
        if not token or token not in b"".join(frames):
            return frames
        return [frame.replace(token, b"TOKEN") for frame in frames]
