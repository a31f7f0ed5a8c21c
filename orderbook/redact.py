"""Take secrets out of addresses before they are written anywhere.

Better one harmless value too many than one secret: names are judged generously, and a value is cut up to the next
``&``, because tokens contain most other characters.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

MARK: Final = "TOKEN"
"""Stands where a secret stood."""

_USERINFO = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#]*@")
_NAME = re.compile(r"(?:^|[?&;#/])([^?&;#/=]*)=")
# Keys that stand in the address without a name (user data streams of some venues). A UUID has 36 characters.
_BARE_KEY = re.compile(r"(?<=[/=])[A-Za-z0-9_-]{48,}(?=[/?&#]|$)")
_SECRET_PARTS = ("token", "secret", "pass", "pwd", "signature", "credential", "auth", "jwt")
_SECRET_ENDS = ("key", "sign", "sig")
_ENCODINGS_MAX = 4
_TOKEN_PATHS = ("bullet-public", "bullet-private")


def redact_url(url: str) -> str:
    """The address with ``TOKEN`` in the place of user names, passwords, tokens, keys and signatures.

    Args:
        url: Any text; it need not be a well-formed address.

    Returns:
        The same text, character for character, but for the secrets. Doing it twice changes nothing more.

    Complexity: O(length) for the addresses of this world.
    """
    return _BARE_KEY.sub(MARK, _redact_values(_USERINFO.sub(rf"\1{MARK}@", url), look_inside=True))


def _redact_values(text: str, *, look_inside: bool) -> str:
    parts = []
    done = 0
    while (match := _NAME.search(text, done)) is not None:
        start = match.end()
        end = text.find("&", start)
        end = len(text) if end < 0 else end
        parts.append(text[done:start])
        if _is_secret(match[1]) or (look_inside and _hides_secret(text[start:end])):
            parts.append(MARK)
            done = end
        else:
            # Not past the value: "a=1;token=x" has a second name inside it.
            done = start
    return "".join([*parts, text[done:]])


def _is_secret(name: str) -> bool:
    plain = re.sub("[^a-z0-9]", "", unquote(name).lower())
    return plain.endswith(_SECRET_ENDS) or any(part in plain for part in _SECRET_PARTS)


def _hides_secret(value: str) -> bool:
    """Whether a percent-encoded value holds an address or a query with a secret in it."""
    for _ in range(_ENCODINGS_MAX):
        decoded = unquote(value)
        if decoded == value:
            return False
        if _USERINFO.search(decoded) is not None or _redact_values(decoded, look_inside=False) != decoded:
            return True
        value = decoded
    # Nobody honest encodes that often; not looking further must not mean letting it pass.
    return True


def is_token_answer(kind: str, url: str | None, raw: bytes) -> bool:
    """Whether a record is the answer that hands out a connection token.

    Judged by the path of its address, and for REST answers by their content too (the address may be unknown).
    """
    if url is not None and any(path in unquote(unquote(url)).lower() for path in _TOKEN_PATHS):
        return True
    return kind == "rest" and b'"instanceServers"' in raw and b'"token"' in raw
