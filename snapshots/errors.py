"""Errors of getting, keeping and re-reading books."""

from __future__ import annotations

import errno
from typing import Final

from orderbook.errors import OrderBookError

_REMEDIES: Final = {
    errno.ENOSPC: "free space on that disk, or record to another one",
    errno.EDQUOT: "free space within the quota, or record to another disk",
    errno.EACCES: "check the permissions of the file and of its directory",
    errno.EPERM: "check the permissions of the file and of its directory",
    errno.EROFS: "choose a place that can be written",
    errno.ENOENT: "check the name and that its directory exists",
    errno.ENOTDIR: "check the name; a part of the path is no directory",
    errno.EISDIR: "name a file inside that directory",
    errno.EEXIST: "choose another name, or ask for append or overwrite",
    errno.EPIPE: "the reader of the pipe has gone; record to a file",
}


class CaptureError(OrderBookError):
    """A capture cannot be opened, read on or written on.

    Attributes:
        name: The file, as text that is safe to print.
        problem: What is wrong.
        remedy: What to do about it.
    """

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(name, problem, remedy)
        # One line, whatever the name holds: a name may contain line breaks and bytes that are no text.
        self.name = name if name.isprintable() else ascii(name)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}; {self.remedy}"

    @classmethod
    def of(cls, name: str, error: OSError | ValueError, loss: str = "") -> CaptureError:
        """Wrap what the operating system said.

        Args:
            name: The file.
            error: Its error; a ``ValueError`` is what a closed file object raises.
            loss: What was lost by it, in words.
        """
        code = error.errno if isinstance(error, OSError) else None
        said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        remedy = _REMEDIES.get(code or 0, "check the disk and the file")
        return cls(name, f"{said} ({loss})" if loss else said, remedy)
