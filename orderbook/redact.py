"""Take secrets out of addresses and other texts before they are written anywhere.

Better one harmless value too many than one secret: names are judged generously, and a value is cut up to the next
``&``, because tokens contain most other characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Protocol, runtime_checkable
from urllib.parse import quote, quote_plus, unquote

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

SECRET_CHARS_MIN: Final = 4
"""A shorter text stands in any line by chance; it is no secret."""

_USERINFO_IN_TEXT = re.compile(r"(?<=//)[^\s/?#\"'<>]*@")
_WORD = re.compile(r"\S+")
# Quotes and brackets that stand around an address in a text.
_BEFORE: Final = "\"'(<[{,;"
_BEHIND: Final = "\"')>]},;:"
_NAMES = (
    r"(?:proxy-)?authorization|(?:set-)?cookie|kc-api-[a-z-]+|x-[a-z-]*(?:key|token|secret|sign)[a-z-]*"
    r"|[\w-]*(?:token|secret|passphrase|password|signature|credential|api[_-]?key|listen[_-]?key)[\w-]*"
)
# One in quotes (JSON, a dictionary's repr, a pair of bytes) ends with its quote, a header with its line.
# Inside another repr such quotes have backslashes.
_QUOTED = re.compile(
    rf"""(\\*["'](?:{_NAMES})\\*["']\s*[:=,]\s*b?)(\\*["'])((?:(?!\2)(?:\\.|.))*)(\2?)""", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(rf"""(?<![\w-])((?:{_NAMES}):[ \t]*)(?!["'])[^\r\n]+""", re.IGNORECASE)


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


@runtime_checkable
class Revealing(Protocol):
    """A secret in its wrapping."""

    def reveal(self) -> str:
        """The text itself."""


def hide(text: str, secrets: Iterable[str | Revealing]) -> str:
    """A text without these secrets, and otherwise as it is: JSON stays JSON, which ``scrub`` does not promise.

    Args:
        text: Any text.
        secrets: What must not stand in it, however it is written in an address. Shorter ones than
            ``SECRET_CHARS_MIN`` are let be.

    Complexity: O(length), for each secret.
    """
    for secret in secrets:
        plain = secret.reveal() if isinstance(secret, Revealing) else secret
        if len(plain) >= SECRET_CHARS_MIN:
            # The longest first: a quoted one may contain the plain one.
            for form in sorted({plain, quote(plain), quote(plain, safe=""), quote_plus(plain)}, key=len, reverse=True):
                text = text.replace(form, MARK)
    return text


def scrub(text: str, secrets: Iterable[str | Revealing] = ()) -> str:
    """A text without tokens, keys, signatures, passwords and cookies.

    Args:
        text: Any text: a log line, an error's message, a traceback.
        secrets: Texts that must not stand in it anywhere, however they are written in an address.

    Returns:
        The same text with ``TOKEN`` in their places. Rather one harmless value too many is replaced than one too few.

    Complexity: O(length), for each secret.
    """
    text = hide(text, secrets)
    text = _QUOTED.sub(rf"\1\2{MARK}\4", text)
    text = _HEADER.sub(rf"\1{MARK}", text)
    text = _USERINFO_IN_TEXT.sub(f"{MARK}@", text)
    return _WORD.sub(_scrub_word, text)


def _scrub_word(match: re.Match[str]) -> str:
    word = match[0]
    inner = word.lstrip(_BEFORE)
    core = inner.rstrip(_BEHIND)
    return word[: len(word) - len(inner)] + redact_url(core) + inner[len(core) :]
