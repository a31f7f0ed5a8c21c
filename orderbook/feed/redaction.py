"""Keep tokens, keys and signatures out of log lines.

The connection token travels in the address, and the ``websockets`` library logs the whole handshake at DEBUG. A logger
made here shows such lines without what is secret in them. The text of an exception is not a log line: whoever passes
one on takes ``scrub`` for it, or words of his own.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection

from orderbook.redact import Revealing, scrub

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


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
