"""Keep tokens, keys and signatures out of log lines.

The connection token travels in the address, and the ``websockets`` library logs the whole handshake at DEBUG. A logger
made here shows such lines without what is secret in them. The text of an exception is not a log line: whoever passes
one on takes ``scrub`` for it, or words of his own.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Collection, Iterable
from typing import Final, Protocol, runtime_checkable
from urllib.parse import quote, quote_plus

from orderbook.redact import MARK, redact_url

SECRET_CHARS_MIN: Final = 4
"""A shorter text stands in any line by chance; it is no secret."""

_USERINFO = re.compile(r"(?<=//)[^\s/?#\"'<>]*@")
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
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@runtime_checkable
class Revealing(Protocol):
    """A secret in its wrapping."""

    def reveal(self) -> str:
        """The text itself."""


def scrub(text: str, secrets: Iterable[str | Revealing] = ()) -> str:
    """A text without tokens, keys, signatures, passwords and cookies.

    Args:
        text: Any text: a log line, an error's message, a traceback.
        secrets: Texts that must not stand in it anywhere, however they are written in an address.

    Returns:
        The same text with ``TOKEN`` in their places. Rather one harmless value too many is replaced than one too few.

    Complexity: O(length), for each secret.
    """
    for secret in secrets:
        plain = secret.reveal() if isinstance(secret, Revealing) else secret
        if len(plain) >= SECRET_CHARS_MIN:
            # The longest first: a quoted one may contain the plain one.
            for form in sorted({plain, quote(plain), quote(plain, safe=""), quote_plus(plain)}, key=len, reverse=True):
                text = text.replace(form, MARK)
    text = _QUOTED.sub(rf"\1\2{MARK}\4", text)
    text = _HEADER.sub(rf"\1{MARK}", text)
    text = _USERINFO.sub(f"{MARK}@", text)
    return _WORD.sub(_scrub_word, text)


def _scrub_word(match: re.Match[str]) -> str:
    word = match[0]
    inner = word.lstrip(_BEFORE)
    core = inner.rstrip(_BEHIND)
    return word[: len(word) - len(inner)] + redact_url(core) + inner[len(core) :]


class SecretFilter(logging.Filter):
    """Rewrites every record before any handler sees it.

    What a formatter could still take apart is gone afterwards: arguments and exceptions have become text, and objects
    that were attached to the record their type's name.

    Args:
        secrets: See ``scrub``; looked at with each record, so that more may be added meanwhile.
    """

    def __init__(self, secrets: Collection[str | Revealing] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, without secrets. Never raises."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - logging would print the arguments beside such an error
            message = f"{record.msg!s} ({type(error).__name__} while formatting)"
        record.msg, record.args = scrub(message, self._secrets), ()
        if record.exc_info and record.exc_info[1] is not None:
            # A formatter prints this text when it finds it, and needs no exception then.
            record.exc_text = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
        record.exc_info = None
        for name in ("exc_text", "stack_info"):
            if text := getattr(record, name):
                setattr(record, name, scrub(text, self._secrets))
        for name in vars(record).keys() - _PLAIN:
            value = getattr(record, name)
            if isinstance(value, str):
                setattr(record, name, scrub(value, self._secrets))
            elif not isinstance(value, int | float | None):
                setattr(record, name, type(value).__name__)
        return True


def safe_logger(name: str, secrets: Collection[str | Revealing] = ()) -> logging.Logger:
    """The logger of this name, with a filter on it; hand it to ``websockets.connect(logger=...)``.

    A filter sees only what is logged by this very logger: its children need one of their own.

    Args:
        name: Of the logger.
        secrets: See ``scrub``. A logger has one set of them, that of the last call.
    """
    logger = logging.getLogger(name)
    for one in [one for one in logger.filters if isinstance(one, SecretFilter)]:
        logger.removeFilter(one)
    logger.addFilter(SecretFilter(secrets))
    return logger
