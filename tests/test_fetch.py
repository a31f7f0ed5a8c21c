"""What is asked of the venue and what becomes of its answers: retries, waits, clocks, sharing; in virtual time."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from orderbook.errors import (
    BadAnswer,
    OrderBookError,
    RateLimited,
    Refused,
    RestError,
    UnknownSymbol,
    Unreachable,
)
from orderbook.secret import Credentials
from orderbook.simulator.virtual_time import settled
from orderbook.venues import kucoin_rest
from orderbook.venues.kucoin_auth import verify
from snapshots.budget import WeightBudget
from snapshots.fetch import Rest
from snapshots.transport import Answer
from tests.scripted_venue import BOOK, CREDENTIALS, QUOTA, WALL_MS, Script, down, no, ok, refused_with, with_script
from tests.unchecked import unchecked
from tests.waiting import elapse


def test_what_is_asked_and_answered() -> None:
    """A snapshot is the body as it came; the others are decoded."""

    async def main(rest: Rest, _: Script) -> None:
        assert BOOK == await rest.snapshot("A-B", 100)
        assert 7 == await rest.probe("A-B")
        assert 9 == json.loads(await rest.call(kucoin_rest.time_request()))["data"]
        assert ["C-D"] == [rules.symbol for rules in await rest.symbols()]
        assert "canary" == (await rest.token()).token.reveal()
        assert "https://api.kucoin.com" == rest.base_url

    rules = {"symbol": "C-D", "baseCurrency": "C", "quoteCurrency": "D"}
    token = {
        "token": "canary",
        "instanceServers": [{"endpoint": "wss://h/", "pingInterval": 18_000, "pingTimeout": 10_000}],
    }
    script = with_script(
        main,
        Answer(200, {}, BOOK),
        ok({"sequence": "7"}),
        ok(9),
        ok([rules | {"priceIncrement": "0.1", "baseIncrement": "0.1"}]),
        ok(token),
    )
    assert [
        ("GET", "/api/v1/market/orderbook/level2_100?symbol=A-B"),
        ("GET", "/api/v1/market/orderbook/level1?symbol=A-B"),
        ("GET", "/api/v1/timestamp"),
        ("GET", "/api/v2/symbols"),
        ("POST", "/api/v1/bullet-public"),
    ] == script.asked
    assert [{}] * 5 == script.headers


def test_a_signed_request() -> None:
    """It carries what the venue checks; one without a key is not even sent."""

    async def main(rest: Rest, script: Script) -> None:
        assert BOOK == await rest.snapshot("A-B", "full")
        (_, target), headers = script.asked[0], script.headers[0]
        assert None is verify(CREDENTIALS, headers, "GET", target, "", now_ms=WALL_MS)

    with_script(main, Answer(200, {}, BOOK), credentials=CREDENTIALS)

    async def without(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.snapshot("A-B", "full"))
        assert isinstance(error, Refused)
        assert "set KUCOIN_API_KEY" in str(error)

    with_script(without)


@pytest.mark.parametrize(
    "failure",
    [
        down(),
        no("230005"),
        no("500000", 500),
        Answer(502, {}, b"<html>"),
        Answer(200, {}, b"\xff"),
        Answer(200, {}, BOOK[:-9]),
        no("429000", 429),
    ],
)
def test_what_may_pass_is_tried_again(failure: object) -> None:
    """After a random wait that grows and is capped; the answer is as if nothing had been."""

    async def main(rest: Rest, script: Script) -> None:
        assert BOOK == await rest.snapshot("A-B", 100)
        waits = [round(after - before, 9) for before, after in zip(script.times, script.times[1:], strict=False)]
        rng = random.Random(1)
        assert waits == pytest.approx([rng.uniform(0, top) for top in (0.25, 0.5, 0.6, 0.6)])

    with_script(main, *[failure] * 4, Answer(200, {}, BOOK), retry_max_ms=600)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (no("400004"), Refused),
        (no("900001", 400), UnknownSymbol),
        (ok(None), UnknownSymbol),
        (no("400100"), RestError),
        (Answer(302, {"location": "https://canary"}, b""), BadAnswer),
        (Answer(403, {}, b"<html>"), Refused),
        (Unreachable(None, "certificate"), Unreachable),
    ],
)
def test_what_does_not_pass_is_tried_once(failure: object, kind: type[RestError]) -> None:
    """A refusal is a refusal the next time too."""

    async def main(rest: Rest, _: Script) -> None:
        assert kind is type(await refused_with(rest.snapshot("A-B", 100)))

    with_script(main, failure)


def test_patience_has_an_end() -> None:
    """The last failure is what the caller gets."""

    async def main(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.call(kucoin_rest.time_request(), attempts=2))
        assert "HTML" in str(error)

    with_script(main, down(), Answer(502, {}, b"<html>"))


def test_an_answer_that_cannot_be_decoded_is_tried_again() -> None:
    """A token without a server, or a server without encryption, may be a slip of one machine of the venue."""

    async def main(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.token())
        assert "not encrypted" in str(error)
        error = await refused_with(rest.probe("A-B"))
        assert isinstance(error, UnknownSymbol)

    plain = {"token": "canary", "instanceServers": [{"endpoint": "ws://127.0.0.1/"}]}
    with_script(main, *[ok({"token": "canary"})] * 4, ok(plain), ok({}))


def test_a_used_up_quota_stops_its_pool_until_the_time_named() -> None:
    """Not only the request that was told so."""

    async def main(rest: Rest, script: Script) -> None:
        first = asyncio.create_task(rest.snapshot("A-B", 100))
        await settled()
        second = asyncio.create_task(rest.probe("A-B"))
        assert (BOOK, 7) == (await first, await second)
        assert 12 <= min(script.times[1:]) - script.times[0]

    with_script(main, no("429000", 429, QUOTA), ok({"sequence": "7"}), Answer(200, {}, BOOK))


def test_an_edge_that_blocks_the_address_stops_everything() -> None:
    """It looks at the address alone, so the other pool waits too."""

    async def main(rest: Rest, script: Script) -> None:
        await refused_with(rest.call(kucoin_rest.time_request(), attempts=1))
        assert BOOK == await rest.snapshot("A-B", "full")
        assert 30 <= script.times[1] - script.times[0]

    with_script(main, Answer(429, {}, b"<p>error 1015"), Answer(200, {}, BOOK), credentials=CREDENTIALS)


def test_patience_with_a_limit_has_an_end_too() -> None:
    """The error says that it was a limit, and whose."""

    async def main(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.call(kucoin_rest.time_request(), attempts=2))
        assert isinstance(error, RateLimited)
        assert (True, 12_000) == (error.is_quota, error.retry_ms)

    with_script(main, *[no("429000", 429, QUOTA)] * 2)


def test_a_wrong_clock_is_set_once() -> None:
    """To the venue's, half a round trip on; the request is then signed with the right time."""

    async def slow_time() -> Answer:
        await elapse(2)
        return ok(WALL_MS + 60_000)

    async def main(rest: Rest, script: Script) -> None:
        assert BOOK == await rest.snapshot("A-B", "full")
        first, _, second = (headers.get("KC-API-TIMESTAMP") for headers in script.headers)
        assert str(WALL_MS) == first
        assert WALL_MS + 61_000 == pytest.approx(int(second or 0), abs=1)
        assert "/api/v1/timestamp" == script.asked[1][1]

    with_script(
        main,
        *(no("400002", 400), slow_time, Answer(200, {}, BOOK)),
        credentials=CREDENTIALS,
    )


def test_what_a_failure_repeats_of_the_key_is_taken_out() -> None:
    """The venue may quote a header in its message; neither the error nor the listener sees it."""
    told: list[bytes] = []

    async def main(rest: Rest, _: Script) -> None:
        error = await refused_with(rest.snapshot("A-B", "full"))
        assert "key TOKEN, secret TOKEN, TOKEN, of a short k" in str(error)

    with_script(
        main,
        no("400003", 401, words="key canary-key, secret canary-secret, canary-passphrase, of a short k"),
        credentials=CREDENTIALS,
        on_answer=lambda _url, _status, body, _headers: told.append(body),
    )
    assert b"canary" not in b"".join(told)
    assert 1 == len(told)


def test_a_secret_too_short_to_be_searched_for_changes_no_message() -> None:
    """Every second text would hold it."""

    async def main(rest: Rest, _: Script) -> None:
        assert "code 400003: words" in str(await refused_with(rest.snapshot("A-B", "full")))

    with_script(main, no("400003", 401), credentials=Credentials.of("w", "o", "r"))


def test_the_listener_hears_every_whole_answer() -> None:
    """Successes and failures, with status and headers; not what never came whole."""
    heard: list[tuple[str, int, bytes, dict[str, str]]] = []

    async def main(rest: Rest, _: Script) -> None:
        await rest.snapshot("A-B", 20)

    with_script(
        main,
        *(down(), Answer(502, {}, b"<html>"), Answer(200, {"x": "y"}, BOOK)),
        on_answer=lambda url, status, body, headers: heard.append((url, status, body, dict(headers))),
    )
    url = "https://api.kucoin.com/api/v1/market/orderbook/level2_20?symbol=A-B"
    assert [(url, 502, b"<html>", {}), (url, 200, BOOK, {"x": "y"})] == heard


def test_the_budget_is_charged_and_told() -> None:
    """By the request's weight, which settings may change, and by what answers say of the quota."""

    async def main(rest: Rest, _: Script) -> None:
        await rest.snapshot("A-B", 100)
        assert 7 == rest.budget.used("public")
        await rest.snapshot("A-B", 20)
        assert (9, 300) == (rest.budget.used("public"), rest.budget.remaining("public"))

    left = {"gw-ratelimit-limit": "2000", "gw-ratelimit-remaining": "500", "gw-ratelimit-reset": "9000"}
    with_script(main, Answer(200, {}, BOOK), Answer(200, left, BOOK), weights={100: 7}, budget=WeightBudget())


def test_the_symbol_and_depth_are_judged_before_anything_is_sent() -> None:
    """A caller's mistake is no request."""

    async def main(rest: Rest, _: Script) -> None:
        for symbol, depth in (("x", 100), ("A-B", 50)):
            with pytest.raises(OrderBookError, match=r"symbol|depth"):
                await rest.snapshot(symbol, unchecked(depth))

    with_script(main)
