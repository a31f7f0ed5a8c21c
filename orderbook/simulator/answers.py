"""Answers of the venue's REST side: what they are, and those that have nothing to do with a request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from orderbook.simulator.faults import Fault
from orderbook.simulator.limits import Share


class Reply(NamedTuple):
    """An HTTP answer, to be given after ``delay_ns``."""

    delay_ns: int
    status: int
    headers: Mapping[str, str]
    body: bytes


class Late(NamedTuple):
    """An answer that is worked out only after ``delay_ns``: call ``finish`` with the time then."""

    delay_ns: int
    finish: Callable[[int], Reply]


class Hang(NamedTuple):
    """No answer, ever; the connection stays open."""


class Drop(NamedTuple):
    """No answer; the connection is cut."""


Answer = Reply | Late | Hang | Drop

JSON: Final = {"content-type": "application/json"}
_HTML: Final = b"<html>\r\n<head><title>%d</title></head>\r\n<body><center><h1>error %d</h1></center></body>\r\n</html>"
_BANNED: Final = b"<html>\r\n<head><title>Access denied</title></head>\r\n<body><h1>Error 1015</h1></body>\r\n</html>"
_SILENCES: Final[Mapping[str, Answer]] = {"hang": Hang(), "cut": Drop()}
SPOILERS: Final = ("cut_body", "big_body", "gzip_bomb")
"""Faults that leave an answer, but not its body."""


def rate_headers(share: Share) -> dict[str, str]:
    """The quota as the venue tells it."""
    return {
        "gw-ratelimit-limit": str(share.limit),
        "gw-ratelimit-remaining": str(share.remaining),
        "gw-ratelimit-reset": str(share.reset_ms),
    }


def no_such_endpoint(delay_ns: int, *, is_known: bool) -> Reply:
    """The answer where there is nothing, or (``is_known``) nothing for this method."""
    if is_known:
        return envelope(delay_ns, 405, "405000", "Method Not Allowed", {})
    return Reply(delay_ns, 404, JSON, b'{"code":"404","msg":"Not Found","retry":false,"success":false}')


def envelope(delay_ns: int, status: int, code: str, text: str, headers: Mapping[str, str]) -> Reply:
    """An error as the venue words it."""
    body = json.dumps({"code": code, "msg": text}, separators=(",", ":"))
    return Reply(delay_ns, status, JSON | dict(headers), body.encode())


def banned(delay_ns: int, status: int) -> Reply:
    """What the edge before the venue says to an address that it has blocked."""
    return Reply(delay_ns, status, {"content-type": "text/html"}, _BANNED)


def instead(fault: Fault, delay_ns: int, quota: int) -> Answer:
    """An answer that has nothing to do with the request; ``quota`` is the weight of a window."""
    knobs = fault.knobs
    if fault.name in _SILENCES:
        return _SILENCES[fault.name]
    match fault.name:
        case "html":
            status = knobs["status"]
            return Reply(delay_ns, status, {"content-type": "text/html"}, _HTML % (status, status))
        case "rate_limited":
            reset_ms = knobs["reset_ms"]
            # Without headers the venue means: overloaded, not your quota.
            extra = {}
            if reset_ms is not None:
                extra = rate_headers(Share(is_granted=False, limit=quota, remaining=0, reset_ms=reset_ms))
            return envelope(delay_ns, 429, "429000", "Too many requests", extra)
        case _:
            return envelope(delay_ns, knobs["status"], knobs["code"], knobs["msg"], {})


def spoilt(fault: Fault, reply: Reply) -> Reply:
    """An answer with its body damaged by one of ``SPOILERS``."""
    if fault.name == "cut_body":
        return reply._replace(body=reply.body[: len(reply.body) // 2])
    # Blanks are valid JSON: only a reader that bounds its memory notices.
    body = reply.body.ljust(fault.knobs["bytes"])
    if fault.name == "big_body":
        return reply._replace(body=body)
    return reply._replace(headers={**reply.headers, "content-encoding": "gzip"}, body=gzip.compress(body, mtime=0))
