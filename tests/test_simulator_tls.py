"""TLS: a book over https and wss, certificates that must be refused, tunnels; and that nothing could skip a check."""

from __future__ import annotations

import ast
import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import Unreachable, UsageError
from orderbook.feed.errors import LinkError
from orderbook.feed.events import LinkDown
from orderbook.feed.opening import open_feed
from orderbook.feed.transports import connector
from orderbook.secret import Secret
from orderbook.simulator.connect_proxy import ConnectProxy, Reception
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.tls import FLAWS, Authority, Flaw
from orderbook.simulator.toxics import Toxics
from snapshots.calls import CallSettings
from tests.feed_books import BTC, FAST, Stage, Way, stage, until
from tests.proxied import Line, proxied
from tests.simulator_clients import connected, fetched
from tests.source_tree import ROOT, modules, plant
from tests.unchecked import unchecked

AUTHORITY = Authority()
SAID: dict[Flaw, str] = {
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "wrong_host": "IP address mismatch",
    "self_signed": "self-signed certificate",
    "other_authority": "unable to get local issuer certificate",
}
"""What is told of each flaw."""


# --- a good certificate ---


async def test_a_book_is_kept_over_tls() -> None:
    """Token, snapshots and deltas over https and wss alone; lost and found again."""
    async with proxied(authority=AUTHORITY) as line:
        assert line.on.venue.endpoint.startswith("wss://")
        assert line.on.venue.url.startswith("https://")
        line.on.strike({"fault": "disconnect"})
        await until(line.downs)
        await line.on.settled()
        line.socket.down = Toxics(slice_bytes=7, jitter_ms=5)
        stood = line.on.market[BTC].sequence
        await until(lambda: line.on.feed[BTC].sequence > stood + 10)
        await line.on.settled()

        line.on.check()
        assert 1 == line.on.feed.health().reconnects


async def test_open_feed_over_tls() -> None:
    """As a user writes it."""
    async with LocalKuCoin(tls=AUTHORITY, rate=200) as venue:
        tls, credentials = AUTHORITY.client_context(), venue.credentials
        async with open_feed("kucoin", [BTC], url=venue.url, tls=tls, credentials=credentials) as feed:
            book = await feed.ready(BTC, timeout_s=20)
            assert book.best_bid is not None


@pytest.mark.parametrize("how", ["close", "abort", "black_hole"])
async def test_sockets_end_over_tls_as_they_do_without(how: str) -> None:
    """The faults of the session need the socket below: they work through the encryption too."""
    entry = {"fault": "black_hole"} if how == "black_hole" else {"fault": "disconnect", "how": how}
    settings = replace(FAST, ping_silence_ms=100)
    async with proxied(authority=AUTHORITY, settings=settings, ping_timeout_ms=200) as line:
        line.on.strike(entry)
        await until(line.downs)
        await line.on.settled()

        line.on.check()


async def test_by_any_name_of_this_machine() -> None:
    """The certificate is for its addresses and for its name."""
    async with LocalKuCoin(tls=AUTHORITY) as venue:
        for host in ("127.0.0.1", "localhost"):
            status, _ = await fetched(f"https://{host}:{venue.port}/api/v1/timestamp", ssl=AUTHORITY.client_context())
            assert 200 == status


async def test_without_tls_nothing_is_served() -> None:
    """No plain text beside the encryption."""
    async with LocalKuCoin(tls=AUTHORITY) as venue:
        with pytest.raises(Exception, match=r"(?i)disconnected|reset|bad"):
            await fetched(venue.url.replace("https", "http") + "/api/v1/timestamp")


async def test_a_socket_of_any_client_over_tls() -> None:
    """The token answer names the encrypted address."""
    async with LocalKuCoin() as plain, connected(plain):
        assert plain.endpoint == f"ws://127.0.0.1:{plain.port}/"
        plain.endpoint = "ws://127.0.0.1:9/"
        assert "ws://127.0.0.1:9/" == plain.exchange.common.endpoint
        plain.endpoint = None
        assert f"ws://127.0.0.1:{plain.port}/" == plain.exchange.common.endpoint


# --- bad ones ---


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_bad_certificate_is_told_when_a_feed_is_opened(flaw: Flaw) -> None:
    """A typed error with the problem and the way out, after one attempt; nothing is asked without encryption."""
    async with LocalKuCoin(tls=AUTHORITY.server_context(flaw)) as venue:
        feed = open_feed("kucoin", [BTC], url=venue.url, tls=AUTHORITY.client_context())
        with pytest.raises(Unreachable) as caught:
            await feed.__aenter__()

    assert (SAID[flaw] in str(caught.value), False) == (True, caught.value.is_transient), str(caught.value)
    assert "check the address and this machine's clock" in caught.value.advice
    assert 0 == venue.exchange.state()["rest_calls"]


async def test_an_authority_that_nobody_knows() -> None:
    """Without a context of one's own the machine's authorities are asked, and ours is none of them."""
    async with LocalKuCoin(tls=AUTHORITY) as venue:
        feed = open_feed("kucoin", [BTC], url=venue.url)
        with pytest.raises(Unreachable, match="not trusted"):
            await feed.__aenter__()


@asynccontextmanager
async def _staged(context: ssl.SSLContext, **options: Any) -> AsyncIterator[Stage]:
    """A feed on a venue whose certificate can be changed."""

    @asynccontextmanager
    async def way(venue: LocalKuCoin) -> AsyncIterator[Way]:
        yield Way(url=venue.url, tls=AUTHORITY.client_context())

    async with stage(way=way, tls=context, rate=50, rest_timeout_ms=3_000, **options) as on:
        yield on


def _downs(on: Stage) -> list[str]:
    return [event.reason for event in on.watch.told(LinkDown)]


@pytest.mark.parametrize("flaw", FLAWS)
async def test_a_certificate_becomes_bad(flaw: Flaw) -> None:
    """While a feed runs: each attempt is told with the problem, nothing is LIVE; and LIVE with a good one."""
    context = AUTHORITY.server_context()
    async with _staged(context) as on:
        AUTHORITY.present(context, flaw)
        on.strike({"fault": "disconnect"})
        await until(lambda: len(_downs(on)) > 3)
        assert 1 == on.venue.exchange.state()["accepted"]
        assert not on.feed[BTC].is_live
        AUTHORITY.present(context)
        await on.settled()

        on.check()
        assert all(SAID[flaw] in reason for reason in _downs(on)[1:]), _downs(on)


async def test_refused_certificates_are_asked_for_slowly(caplog: pytest.LogCaptureFixture) -> None:
    """One connection an attempt, and a wait after each: no second try within one, no fallback."""
    async with proxied(authority=AUTHORITY, settings=replace(FAST, reconnect_min_ms=20, reconnect_max_ms=200)) as line:
        context = line.on.venue._tls
        assert context is not None
        AUTHORITY.present(context, "expired")
        before = line.socket.accepted
        line.socket.reset()
        await until(lambda: len(line.downs()) > 4)
        attempts, downs = line.socket.accepted - before, len(line.downs()) - 1
        AUTHORITY.present(context)
        await line.on.settled()
        line.on.check()

    waits = [record for record in caplog.records if "connecting again in" in record.getMessage()]
    assert downs <= attempts <= downs + 1
    assert len(waits) >= downs


async def test_a_handshake_that_is_cut() -> None:
    """By RST or by silence, in its middle: the same as any other trouble of the network."""
    async with proxied(authority=AUTHORITY, settings=replace(FAST, connect_timeout_ms=150)) as line:
        for toxics in (Toxics(reset_after=0), Toxics(reset_after=300), Toxics(limit_bytes=300), Toxics(is_dead=True)):
            enough = len(line.downs()) + 2
            line.socket.down = toxics
            line.socket.reset()
            await until(partial(_is_enough, line, enough))
            line.socket.heal()
            await line.on.settled()

        line.on.check()


def _is_enough(line: Line, count: int) -> bool:
    return len(line.downs()) >= count


def test_no_such_flaw() -> None:
    """The flaws are named."""
    with pytest.raises(UsageError, match="a certificate can be expired, not_yet_valid"):
        AUTHORITY.server_context(unchecked("odd"))


def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, which is named; everything else works without it."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(UsageError, match=r"trustme, which is missing: pip install 'orderbook-engine\[testing\]'"):
        Authority()
    assert LocalKuCoin().url.startswith("http://")


# --- tunnels ---

PASSWORD = "hunter2-of-the-tunnel"


@asynccontextmanager
async def _tunnelled(**options: Any) -> AsyncIterator[tuple[Stage, ConnectProxy]]:
    proxy = ConnectProxy(f"user:{PASSWORD}")

    @asynccontextmanager
    async def way(venue: LocalKuCoin) -> AsyncIterator[Way]:
        async with proxy:
            address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
            yield Way(url=venue.url, proxy=address, tls=AUTHORITY.client_context())

    async with stage(way=way, tls=AUTHORITY, rate=30, **{"rest_timeout_ms": 3_000, **options}) as on:
        yield on, proxy


@pytest.mark.parametrize(
    ("reception", "told"),
    [
        (Reception(status=407), ("the proxy did not let the request",)),
        (Reception(status=502), ("the proxy did not let the request",)),
        (Reception(is_cut=True), ("the connection to", "cannot be reached", "reset", "bad handshake")),
        (Reception(delay_ms=900), ("no answer",)),
    ],
    ids=repr,
)
async def test_a_tunnel_fails_for_a_while(
    reception: Reception, told: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Each attempt is told as what it is, and made again; LIVE when it opens; its password is shown nowhere."""
    caplog.set_level(logging.DEBUG)
    async with _tunnelled(rest_timeout_ms=3_000 if not reception.delay_ms else 400) as (on, proxy):
        proxy.reception = reception
        proxy.reset()
        await until(lambda: len(_downs(on)) > 1)
        assert not on.feed[BTC].is_live
        proxy.reception = Reception()
        await on.settled()

        on.check()
        assert all(any(words in reason for words in told) for reason in _downs(on)[1:]), _downs(on)
        assert PASSWORD not in f"{_downs(on)} {on.feed!r} {on.rest} {on.watch.events}"
    assert {f"127.0.0.1:{on.venue.port}"} == set(proxy.asked)
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("status", [407, 502])
async def test_a_refused_tunnel_of_a_socket(status: int) -> None:
    """The proxy is named as the one who refused; its password and the token are not shown."""
    async with ConnectProxy() as proxy:
        proxy.reception = Reception(status=status)
        address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        connect = connector(FAST, proxy=address, tls=AUTHORITY.client_context())
        with pytest.raises(LinkError, match=f"'127.0.0.1': its proxy refused with HTTP status {status}") as caught:
            await connect(Secret("wss://127.0.0.1:1/?token=precious"))

    assert [status] == proxy.answered
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert (False, False) == (PASSWORD in shown, "precious" in shown)


async def test_a_slow_tunnel_is_a_tunnel() -> None:
    """Slow to open, and slow to carry."""
    async with _tunnelled(wait=False) as (on, proxy):
        proxy.reception = Reception(delay_ms=50)
        proxy.up = proxy.down = Toxics(latency_ms=10, jitter_ms=10, slice_bytes=100)
        await on.settled()

        on.check()
        assert {200} == set(proxy.answered)


async def test_a_wrong_password_is_told_when_a_feed_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the proxy's refusal, without the password."""
    monkeypatch.setattr("orderbook.feed.opening.CallSettings", partial(CallSettings, retry_base_ms=1, retry_max_ms=1))
    async with ConnectProxy(f"user:{PASSWORD}") as proxy, LocalKuCoin(tls=AUTHORITY) as venue:
        address = f"http://user:not-{PASSWORD}@127.0.0.1:{proxy.port}"
        feed = open_feed("kucoin", [BTC], url=venue.url, tls=AUTHORITY.client_context(), proxy=address)
        with pytest.raises(Unreachable, match="the proxy did not let the request") as caught:
            await feed.__aenter__()

    assert PASSWORD not in f"{caught.value} {caught.value!r} {feed!r}"
    assert {407} == set(proxy.answered)


# --- no way round ---


def unverified(root: Path) -> list[str]:
    """Certificates and host names are always checked: no source says anything else."""
    return [
        f"{module}, line {getattr(node, 'lineno', 0)}: {problem}"
        for module, path in modules(root).items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (problem := _weakens(node)) is not None
    ]


_NAMES = {"CERT_NONE", "CERT_OPTIONAL", "VerifyMode", "_create_unverified_context", "_create_stdlib_context"}
_SWITCHES = {"check_hostname", "verify", "verify_ssl", "verify_mode", "ssl", "ssl_context", "tls", "cert_reqs"}


def _weakens(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.Constant(value=str(name)) if (
            name in _NAMES
        ):
            return name
        case ast.keyword(arg=str(name), value=ast.Constant(value=False | 0)) if name in _SWITCHES:
            return f"{name}=False"
        case ast.Assign(targets=targets):
            names = {target.attr for target in targets if isinstance(target, ast.Attribute)}
            if weak := names & {"check_hostname", "verify_mode"}:
                return f"{weak.pop()} is set"
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str(name)), *_]) if name in _SWITCHES:
            return f"{name} is set"
    return None


def test_there_is_no_way_round_certificates() -> None:
    """Neither in the library nor in what it needs of ``snapshots``."""
    assert [] == unverified(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "import ssl\nx.verify_mode = ssl.CERT_NONE",
        "from ssl import CERT_NONE",
        "getattr(ssl, 'CERT_NONE')",
        "context.check_hostname = False",
        "connect(url, ssl=False)",
        "get(url, verify=False)",
        "TCPConnector(verify_ssl=False)",
        "wrap(sock, cert_reqs=0)",
        "ssl._create_unverified_context()",
        "setattr(context, 'check_hostname', no)",
        "context.verify_mode = ssl.VerifyMode(0)",
    ],
)
def test_a_planted_way_round_is_found(text: str, tmp_path: Path) -> None:
    """Each way that people write it."""
    files = {"orderbook/__init__.py": "ssl = True\nget(url, ssl=True)", "snapshots/fetch.py": text}
    found = unverified(plant(tmp_path, files))

    assert found
    assert all(one.startswith("snapshots.fetch, line ") for one in found)


@pytest.mark.parametrize("weak", [False, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)])
def test_a_feed_takes_no_context_that_does_not_check(weak: Any) -> None:
    """There is no switch: a context that lets anybody pass is refused before anything is connected."""
    with pytest.raises(UsageError, match="check"):
        open_feed("kucoin", [BTC], tls=weak)


async def test_contexts_of_the_authority_check() -> None:
    """Everything, and they trust nobody else."""
    context = await asyncio.to_thread(AUTHORITY.client_context)

    assert (ssl.CERT_REQUIRED, True, 1) == (context.verify_mode, context.check_hostname, len(context.get_ca_certs()))
