"""The log of a command: off, unless somebody says where it should go."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STDERR = Path("-")


@contextmanager
def log_to(path: Path, level: int) -> Iterator[None]:
    """Write what the library logs to a file (appended to) or to stderr, one line a message.

    Raises:
        OSError: The file cannot be written.
    """
    handler = logging.StreamHandler(sys.stderr) if path == STDERR else logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("orderbook", "snapshots")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
        handler.close()
