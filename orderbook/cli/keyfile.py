"""An API key in a JSON file: what ``--keys`` reads, and ``orderbook simulate --keys-file`` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from orderbook.errors import UsageError
from orderbook.secret import Credentials

MARK: Final = {"made_by": "orderbook simulate"}
"""What stands in a file of ours, and in no file of a key that is worth something."""
KEY_NAMES: Final = ("KUCOIN_API_KEY", "KUCOIN_API_SECRET", "KUCOIN_API_PASSPHRASE")


def read_keys(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Credentials | None:
    """An API key from a JSON file. Its contents are never shown, not even when they are wrong."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise click.BadParameter(f"{path} is not JSON") from None
    parts = found.items() if isinstance(found, dict) else ()
    # The version of a key is a number that somebody may write as one.
    environ = {name: str(part) for name, part in parts if isinstance(part, str | int)}
    if missing := [name for name in KEY_NAMES if not environ.get(name)]:
        raise click.BadParameter(f"{path} lacks {', '.join(missing)}; write a JSON object of {', '.join(KEY_NAMES)}")
    try:
        return Credentials.from_environment(environ)
    except UsageError as error:
        raise click.BadParameter(f"{path}: {error}") from None


def write_keys(path: Path, key: Mapping[str, str]) -> None:
    """Write a key for nobody but the user to read.

    Args:
        path: A new file, or one that was written by this function, which is replaced.
        key: By the names of ``KEY_NAMES``.

    Raises:
        UsageError: There is something else already, or no such directory.
        OSError: It cannot be written.
    """
    made = path.with_name(f".{path.name}.{os.getpid()}")
    if os.path.lexists(path) and not _is_ours(path):
        raise UsageError(f"{path}: it exists, and `orderbook simulate` did not write it; choose another name")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no directory {path.parent}")
    # Whole or not at all; and what is replaced may be readable for others, which this must never be.
    file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(json.dumps(MARK | dict(key), indent=2) + "\n")
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def _is_ours(path: Path) -> bool:
    """Whether a file is a throw-away key."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.items() >= MARK.items()
