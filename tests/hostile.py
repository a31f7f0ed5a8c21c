"""Text and frames that want to do harm, real frames to start from, and a count of the work they cause."""

from __future__ import annotations

import gc
import gzip
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from orderbook.errors import FrameError
from tests.recording import PATH

CAPTURE: Final = PATH
SYMBOL: Final = "BCHSV-USDT"
"""The busiest symbol of the capture."""


def outcome(decode: Callable[[str], Any], text: str) -> Any:
    """What decoding comes to: the value, or the reason code of the one error that may come of it."""
    try:
        return decode(text)
    except FrameError as error:
        return error.reason


def calls(action: Callable[[], object]) -> int:
    """How many functions, ours and Python's, are called: work that does not depend on the machine."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    # The collector calls functions too, whenever it likes.
    gc.collect()
    gc.disable()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


@cache
def records() -> tuple[tuple[str, str], ...]:
    """(kind, text) of everything in the bundled capture, in order."""
    with gzip.open(CAPTURE, "rt", encoding="utf-8") as lines:
        return tuple((record["kind"], record["raw"]) for record in map(json.loads, lines))


def level2(
    start: Any,
    end: Any,
    bids: Sequence[Any] = (),
    asks: Sequence[Any] = (),
    *,
    symbol: str = SYMBOL,
    **data: Any,
) -> dict[str, Any]:
    """A delta as a Python object, in the key order of 2026; ``data`` adds or replaces fields of its data."""
    changes = {"asks": list(asks), "bids": list(bids)}
    fields = {"changes": changes, "sequenceStart": start, "sequenceEnd": end, "symbol": symbol, "time": 1767690000123}
    return {
        "type": "message",
        "topic": f"/market/level2:{symbol}",
        "subject": "trade.l2update",
        "data": {**fields, **data},
    }


def rest(sequence: Any, bids: Any, asks: Any, **data: Any) -> dict[str, Any]:
    """A snapshot answer as a Python object."""
    fields = {"time": 1767690000123, "sequence": sequence, "bids": bids, "asks": asks}
    return {"code": "200000", "data": {**fields, **data}}


# -- for random tests --

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
"""NaN and infinities among them, which Python writes without asking."""

# What the venue would never write in the place of a value, and what could be taken for one.
odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, -1, 1.5, 2**53, 2**63, 10**40, "", "0", "1e-8", "NaN", "1" * 5_000, "\ud800", "\0", [], {}]
)

KEYS: Final = ("type", "topic", "subject", "data", "changes", "bids", "asks", "sequenceStart", "symbol", "code", "id")


@st.composite
def damaged_texts(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> bytes:
    """A frame as bytes, with some of them flipped, lost, doubled, cut off or put in."""
    raw = bytearray(draw(texts).encode())
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        match draw(st.sampled_from(["flip", "lose", "double", "cut", "insert"])):
            case "flip":
                raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "lose":
                del raw[at : at + draw(st.integers(1, 20))]
            case "double":
                raw[at:at] = raw[at : at + draw(st.integers(1, 20))]
            case "cut":
                del raw[at:]
            case _:
                raw[at:at] = draw(st.sampled_from([b"\0", b"\xff", b'"', b"[[[[", b"{", b"1e999", b"\\ud800", b"-"]))
    return bytes(raw)


@st.composite
def damaged_objects(draw: st.DrawFn, frames: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """A frame whose JSON is whole, with another value in some place, or a key too few or too many."""
    frame = json.loads(json.dumps(draw(frames)))
    for _ in range(draw(st.integers(0, 2))):
        place: Any = frame
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or draw(st.integers(0, 3)) == 0:
                if draw(st.integers(0, 3)) == 0:
                    del place[key]
                else:
                    place[key] = draw(odd_values | json_values)
                break
            place = place[key]
        if draw(st.integers(0, 5)) == 0:
            frame[draw(st.sampled_from(KEYS))] = draw(odd_values)
    return json.dumps(frame, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
