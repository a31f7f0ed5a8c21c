"""A venue that answers by a script, in virtual time: what a REST client asks, when, and what it makes of answers."""

from __future__ import annotations

import asyncio
import json
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from orderbook.errors import RestError, Unreachable
from orderbook.secret import Credentials
from orderbook.simulator.virtual_time import run
from snapshots.fetch import CallSettings, Rest
from snapshots.transport import Answer

CREDENTIALS = Credentials.of("canary-key", "canary-secret", "canary-passphrase")
WALL_MS = 1_700_000_000_000
QUOTA = {"gw-ratelimit-limit": "2000", "gw-ratelimit-remaining": "0", "gw-ratelimit-reset": "12000"}
BOOK = b'{"code":"200000","data":{"time":1,"sequence":"7","bids":[["1","2"]],"asks":[["3","4"]]}}'


def ok(data: object) -> Answer:
    """A success."""
    return Answer(200, {}, json.dumps({"code": "200000", "data": data}).encode())


def no(code: str, status: int = 200, headers: Mapping[str, str] | None = None, words: str = "words") -> Answer:
    """A failure that the venue words."""
    return Answer(status, headers or {}, json.dumps({"code": code, "msg": words}).encode())


def down() -> Unreachable:
    """No answer."""
    return Unreachable(None, "down", is_transient=True)


class Script:
    """A transport that answers by a script, and remembers what it was asked and when."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.asked: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.times: list[float] = []
        self.is_closed = False

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: str, *, timeout_ms: int) -> Answer:
        assert (10_000, "") == (timeout_ms, body)
        self.asked.append((method, url.removeprefix("https://api.kucoin.com")))
        self.headers.append(headers)
        self.times.append(asyncio.get_running_loop().time())
        step = self.script.pop(0)
        if isinstance(step, RestError):
            raise step
        return step if isinstance(step, Answer) else await step()

    async def close(self) -> None:
        self.is_closed = True


def with_script(
    main: Callable[[Rest, Script], Awaitable[None]], *script: Any, retry_max_ms: int = 10_000, **options: Any
) -> Script:
    """Run ``main`` with a client of a scripted venue, in virtual time; nothing of the script may be left."""
    transport = Script(*script)

    async def body() -> None:
        calls = CallSettings(wall=lambda: WALL_MS * 1_000_000, rng=random.Random(1), retry_max_ms=retry_max_ms)
        async with Rest(transport=transport, calls=calls, **options) as rest:
            await main(rest, transport)

    run(body)
    assert transport.is_closed
    assert [] == transport.script
    return transport


async def refused_with(awaitable: Awaitable[object]) -> RestError:
    """The error that it ends in, which shows nothing secret, nor does what it carries along."""
    with pytest.raises(RestError) as caught:
        await awaitable
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert "canary" not in shown + repr(caught.value) + str(caught.value)
    return caught.value
