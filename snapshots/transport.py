"""HTTP through aiohttp, and nothing else: one request out, one whole answer or one typed error back.

Retries, budgets, signatures and what an answer means stand above, in ``snapshots.fetch``. Certificates are always
checked; another authority is trusted by handing in an ``ssl.SSLContext`` that knows it.
"""

from __future__ import annotations

import errno
import os
import ssl
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp

from orderbook.errors import BadAnswer, RestError, Unreachable, UsageError
from orderbook.secret import Secret
from orderbook.venues.rest import check_proxy

_NETWORK: Final = "check the network, and the address of the server (url= or --url)"
_NO_TLS: Final = "check the address of the server (url= or --url); that of a local KuCoin begins with http://"
_BROKEN: Final = f"{_NETWORK}: that of a server with TLS begins with https://"
_SLOW: Final = "check the network, or allow more time"
_CERTIFICATE: Final = (
    "check the address and this machine's clock; for an authority of your own, hand in an "
    "SSLContext (tls=), or name the file of its certificate in the environment: SSL_CERT_FILE=FILE"
)
_PROXY: Final = "check the proxy's address, user and password"
_AGENT: Final = "orderbook-engine"
_KEPT_OUT: Final = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})
"""Headers of an answer that nobody needs and that may hold something to be kept."""
_GZIP: Final = 31  # zlib's word for: a gzip header, and nothing else


class Answer(NamedTuple):
    """A whole HTTP answer; header names are in lower case, the body is no longer compressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What carries requests: aiohttp, or something without a network."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        """Make one request. Redirects are answers like others.

        Raises:
            Unreachable: No answer; or it was closed.
            BadAnswer: Half an answer, or too long a one.
        """
        ...

    async def close(self) -> None:
        """Release what it holds; doing it twice is allowed."""
        ...


class HttpTransport:
    """The transport on aiohttp. Environment proxies and cookies are ignored; a proxy is named or not used.

    Args:
        proxy: Its address, with user name and password if it wants them.
        context: Instead of the machine's authorities; it must check certificates and host names.
        body_bytes_max: Longest body that is read, before and after decompression.

    Raises:
        UsageError: A proxy address that is none, or a context that does not check.
    """

    def __init__(self, *, proxy: str | None = None, context: ssl.SSLContext | None = None, body_bytes_max: int) -> None:
        if proxy is not None:
            check_proxy(proxy)
        _check_context(context)
        self._proxy = None if proxy is None else Secret(proxy)
        self._context = context
        self._body_bytes_max = body_bytes_max
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        """As ``Transport.send``."""
        try:
            return await self._send(method, url, headers, body, timeout_ms)
        except (aiohttp.ClientError, OSError) as error:
            problem = _problem(error, urlsplit(url).netloc, timeout_ms)
        # Outside the handler: aiohttp's errors carry the request with its headers, and must not travel on as context.
        raise problem

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: str, timeout_ms: int) -> Answer:
        if self._is_closed:
            # A session that were opened now would be closed by nobody.
            raise closed_transport()
        session = self._opened()
        async with session.request(
            method,
            url,
            headers=headers,
            data=body.encode() or None,
            allow_redirects=False,
            proxy=None if self._proxy is None else self._proxy.reveal(),
            ssl=self._context or True,
            timeout=aiohttp.ClientTimeout(total=timeout_ms / 1_000),
        ) as response:
            given = {name.lower(): value for name, value in response.headers.items() if name.lower() not in _KEPT_OUT}
            reader = BodyReader(given.get("content-encoding", ""), self._body_bytes_max)
            async for chunk in response.content.iter_any():
                reader.feed(chunk)
            return Answer(response.status, given, reader.finish())

    def _opened(self) -> aiohttp.ClientSession:
        # Late, because a session belongs to the loop that it was made in.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # the budget counts requests, and knows priorities
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # a few bytes can become gigabytes: BodyReader counts while it unpacks
                headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": _AGENT},
            )
            # It would send a GET a second time by itself when a kept connection breaks: a weight that nobody counts.
            # There is no public switch; a test counts the requests.
            self._session._retry_connection = False  # noqa: SLF001 - aiohttp has no public switch
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class BodyReader:
    """Puts a body together, unpacks it, and stops at a limit.

    Args:
        encoding: The answer's ``Content-Encoding``.
        bytes_max: Longest body, packed or not.

    Raises:
        BadAnswer: An encoding that was not asked for.
    """

    def __init__(self, encoding: str, bytes_max: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in ("", "identity", "gzip"):
            raise _half(f"an encoding that nobody asked for ({ascii(encoding)[:40]})")
        self._unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        self._bytes_max = bytes_max
        self._received = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece. Raises ``BadAnswer`` when it is too much, or not what it is said to be."""
        self._received += len(chunk)
        if self._unpacker is not None:
            try:
                chunk = self._unpacker.decompress(chunk, self._bytes_max - self._size + 1)
            except zlib.error:
                raise _half("a body whose compression is broken") from None
        self._size += len(chunk)
        if max(self._size, self._received) > self._bytes_max:
            raise _half(f"a body of more than {self._bytes_max:,} bytes")
        self._parts.append(chunk)

    def finish(self) -> bytes:
        """The body. Raises ``BadAnswer`` when its end is missing."""
        if self._unpacker is not None and self._received and not self._unpacker.eof:
            raise _half("a body that ends too early")
        return b"".join(self._parts)


def closed_transport() -> Unreachable:
    """What a request gets that comes after the end."""
    return Unreachable(None, "this transport is closed", advice="open another one")


def _half(what: str) -> BadAnswer:
    return BadAnswer(None, f"the server sent {what}", advice="try again later", is_transient=True)


def _check_context(context: object) -> None:
    if context is None:
        return
    if not isinstance(context, ssl.SSLContext):
        raise UsageError("certificates are always checked: ssl is an ssl.SSLContext, or None for the usual authorities")
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise UsageError("an SSLContext must check certificates and host names, else anybody could be the venue")


# The first kind that fits; TimeoutError is an OSError, and most of aiohttp's errors descend from others of its errors.
_WORDS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (TimeoutError, "no answer from {host} within {seconds:g} s", _SLOW),
    (aiohttp.ClientHttpProxyError, "the proxy did not let the request for {host} pass", _PROXY),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached ({reason})", _PROXY),
    (
        aiohttp.ClientConnectorDNSError,
        "no address is known for {host}",
        "check the name, and that this machine has DNS",
    ),
    (aiohttp.ClientSSLError, "no encrypted connection to {host}", _NO_TLS),
    (aiohttp.ClientConnectorError, "{host} cannot be reached ({reason})", _NETWORK),
    (Exception, "the connection to {host} broke", _BROKEN),
)


def _problem(error: aiohttp.ClientError | OSError, host: str, timeout_ms: int) -> RestError:
    """Our words for what went wrong; never the error's own text, which may hold addresses with passwords."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(host, error.certificate_error)
    if isinstance(error, aiohttp.ClientPayloadError):
        return _half("a body that ends too early")
    if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
        return _half("something that is not HTTP")
    text, advice = next((text, advice) for kind, text, advice in _WORDS if isinstance(error, kind))
    said = text.format(host=host, seconds=timeout_ms / 1_000, reason=_reason(error))
    return Unreachable(None, said, advice=advice, is_transient=True)


def _untrusted(host: str, error: Exception) -> Unreachable:
    """Not transient: a wrong certificate is wrong a second later, too."""
    said = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else "it cannot be checked"
    return Unreachable(
        None, f"the certificate of {host} is not trusted ({ascii(said)[1:-1][:120]})", None, _CERTIFICATE
    )


def _reason(error: Exception) -> str:
    # When several addresses were tried, the error of the whole has no number, and its text lists them all.
    code = error.errno if isinstance(error, OSError) else None
    return os.strerror(code) if code is not None and code in errno.errorcode else "no connection"
