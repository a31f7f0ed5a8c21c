"""What a client says on KuCoin's classic socket, and what the venue's refusals mean.

The words are those of KuCoin's "WebSocket" guide: subscriptions take comma lists, acknowledgements carry nothing but
the id of the request, and only the JSON text ``ping`` keeps a session alive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Final, Literal
from urllib.parse import quote

from orderbook.secret import Secret

BOOK_TOPIC: Final = "/market/level2"

Request = Literal["subscribe", "unsubscribe"]

_LIMIT = re.compile(r"limitation of (\d{1,9}) per (time|session)")


def connect_url(endpoint: str, token: Secret, connect_id: str) -> Secret:
    """The address to connect to. It is a secret as a whole, because the token stands in it."""
    separator = "&" if "?" in endpoint else "?"
    return Secret(f"{endpoint}{separator}token={quote(token.reveal(), safe='')}&connectId={quote(connect_id, safe='')}")


def public_url(endpoint: str, connect_id: str) -> str:
    """The same address for logs and recordings: without the token, and still one of its own."""
    separator = "&" if "?" in endpoint else "?"
    return f"{endpoint}{separator}connectId={quote(connect_id, safe='')}"


def subscription(kind: Request, request_id: str, path: str, names: Collection[str], *, is_private: bool = False) -> str:
    """A request for one stream of some names (100 at most), to be acknowledged.

    Args:
        kind: What is wanted.
        request_id: Comes back with the answer.
        path: What stands before the colon.
        names: What stands behind it; nothing for a stream that has no names.
        is_private: Whether it is of one's own account.
    """
    topic = f"{path}:{','.join(names)}" if names else path
    return json.dumps({"id": request_id, "type": kind, "topic": topic, "privateChannel": is_private, "response": True})


def ping(request_id: str) -> str:
    """What keeps a session alive."""
    return json.dumps({"id": request_id, "type": "ping"})


def learnt_limit(text: str) -> tuple[Literal["batch", "session"], int] | None:
    """The limit that a refusal 509 names: symbols in a request, or on a connection; ``None`` if it names none."""
    match = _LIMIT.search(text)
    if match is None:
        return None
    return ("batch" if match[2] == "time" else "session"), int(match[1])
