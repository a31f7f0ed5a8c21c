"""What many frames may come in, and what is wrong with the questions of a replay."""

from __future__ import annotations

import gc
import mmap
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from orderbook.errors import UsageError
from orderbook.settings import SyncSettings
from tests.kucoin_frames import live
from tests.one_by_one import EVERYTHING, FRAMES, check
from tests.source_tree import ROOT


@pytest.mark.usefixtures("batch_twin")
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n\r\n\n"])
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_a_buffer_of_lines(form: Callable[[bytes], Any], end: bytes) -> None:
    """A line is a frame, with or without an end of the last one; an empty line is none."""
    data = b"\n\r\n" + b"\r\n\n".join(FRAMES[:50]) + b"\n" + b"\n".join(FRAMES[50:]) + end

    recorded = check(live(), live(), FRAMES, source=form(data), **EVERYTHING)

    assert len(FRAMES) == len(recorded) == recorded.live.sum()


def test_a_frame_ends_where_its_line_does() -> None:
    """A line that is cut off is a lost frame: what is missing is not taken from the next line."""
    first, second = FRAMES[0][:200], FRAMES[0][200:]
    lines = [first, second, FRAMES[0] + b" ", FRAMES[1][:-1], b"}"]

    recorded = check(live(), live(), lines, source=b"\n".join(lines), **EVERYTHING)

    assert [False, False, True, False, False] == recorded.live.tolist()


def test_a_file_in_memory(tmp_path: Path) -> None:
    """A file that ends at the end of a page, without an end of its last line: nothing behind it is read."""
    path = tmp_path / "frames"
    data = b"\n".join(FRAMES)
    path.write_bytes(b"\n" * (-len(data) % mmap.PAGESIZE) + data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        assert 0 == len(lines) % mmap.PAGESIZE
        check(live(), live(), FRAMES, source=lines, **EVERYTHING)


GUARDED: Final = """
import ctypes, mmap, sys
from tests.kucoin_frames import live
from tests.one_by_one import FRAMES

memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
mprotect = ctypes.CDLL(None, use_errno=True).mprotect
assert 0 == mprotect(ctypes.c_void_p(start + mmap.PAGESIZE), ctypes.c_size_t(mmap.PAGESIZE), 0)
page = memoryview(memory)[: mmap.PAGESIZE]
sync = live()
for cut in range(len(FRAMES[0])):
    for behind in (b"", b" ", b"\\r"):
        lines = FRAMES[0][: len(FRAMES[0]) - cut] + behind
        page[:] = b"\\n" * (mmap.PAGESIZE - len(lines)) + lines
        assert 1 == len(sync.replay(page, record=()))
        sync = live()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is protected by way of the C library")
def test_nothing_is_read_behind_a_buffer() -> None:
    """Wherever the last line is cut off, right before memory that nobody may read: the process lives."""
    done = subprocess.run([sys.executable, "-c", GUARDED], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.usefixtures("batch_twin")
@pytest.mark.parametrize("frames", [b"", b"\n", [], (), iter(()), memoryview(b""), np.empty(0, np.uint8)])
def test_no_frames(frames: Any) -> None:
    """Nothing comes of nothing."""
    recorded = live().replay(frames, received_ns=[], **EVERYTHING)

    assert recorded.bids is not None
    assert (0, 0, (0, 4, 2)) == (len(recorded), len(recorded["mid"]), recorded.bids.shape)


def test_any_iterable_and_any_buffer() -> None:
    """A generator is taken; of a buffer with strides every byte counts once; subclasses are what they are."""

    class Text(str):
        __slots__ = ()

    spread = np.frombuffer(np.repeat(np.frombuffer(b"\n".join(FRAMES), np.uint8), 2), np.uint8)[::2]
    many = [Text(FRAMES[0].decode()), np.bytes_(FRAMES[1]), *FRAMES[2:]]
    for source in (iter(FRAMES), spread, many):
        check(live(), live(), FRAMES, source=source, **EVERYTHING)


@pytest.mark.usefixtures("batch_twin")
@pytest.mark.parametrize("form", [bytearray, memoryview])
@pytest.mark.parametrize(
    ("take", "copies"),
    [
        (lambda sync, frame: sync.offer(frame, 1), 0),
        # Two at a time, to guess whose frame was lost.
        (lambda sync, frame: sync.replay([frame] * 3, record=()), 2),
    ],
)
def test_what_is_too_long_is_not_copied(take: Callable[..., Any], copies: int, form: Callable[[bytes], Any]) -> None:
    """A frame past the limit is refused by its length, before a copy of it is made."""
    settings, frame = SyncSettings(frame_bytes_max=2**16), form(bytes(2**20))
    take(live(settings=settings), frame)
    sync = live(settings=settings)
    gc.collect()
    tracemalloc.start()
    try:
        take(sync, frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (copies + 0.5) * 2**20 > most


WRONG: Final[list[tuple[Any, dict[str, Any], str]]] = [
    ([FRAMES[0], 5], {}, "a frame is bytes or text, not int"),
    (FRAMES[0].decode(), {}, "not one text"),
    (7, {}, "not int"),
    (np.array([1.5]), {}, "not of format d"),
    (np.array([FRAMES[0]], dtype=object), {}, "not of format O"),
    (FRAMES, {"record": ("mid", "middle")}, "not 'middle'"),
    (FRAMES, {"record": ("mid", "mid")}, "stands twice"),
    (FRAMES, {"record": "imbalance"}, "not 'imbalance'"),
    (FRAMES, {"imbalance": 0}, "imbalance is at least 1"),
    (FRAMES, {"depth": 0}, "depth is at least 1"),
    (FRAMES, {"depth": 1.5}, "depth is a whole number"),
    (FRAMES, {"received_ns": [1]}, "one 64-bit integer a frame"),
    (FRAMES, {"received_ns": [1.0] * len(FRAMES)}, "one 64-bit integer a frame"),
    (FRAMES, {"received_ns": [2**63] * len(FRAMES)}, "one 64-bit integer a frame"),
    (FRAMES, {"received_ns": [[1], [2, 3]]}, "one integer a frame"),
]


@pytest.mark.usefixtures("batch_twin")
@pytest.mark.parametrize(("frames", "options", "problem"), WRONG)
def test_a_wrong_question(frames: Any, options: dict[str, Any], problem: str) -> None:
    """What the caller did wrong is told before anything is taken."""
    sync = live()
    with pytest.raises(UsageError, match=problem):
        sync.replay(frames, **options)
    assert 11 == sync.book.sequence
