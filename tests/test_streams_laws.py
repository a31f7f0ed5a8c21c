"""Laws of the streams beside the book: whatever comes is a message or one error, and what is written is read."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from orderbook.errors import FrameError
from orderbook.streams import Pushed
from orderbook.types import Control, Delta, OtherData, Ticker
from orderbook.venues.kucoin import KuCoin
from tests.hostile import damaged_objects, damaged_texts, json_values, odd_values
from tests.kucoin_pushes import STREAMS, Stream, meant, value_at, with_value

KUCOIN: Final = KuCoin()

streams: st.SearchStrategy[Stream] = st.sampled_from(list(STREAMS.values()))
whole: st.SearchStrategy[dict[str, Any]] = streams.map(lambda stream: json.loads(stream.text()))
texts: st.SearchStrategy[str] = streams.map(lambda stream: stream.text())


def outcome(text: str) -> Any:
    """The message, or the reason code of the one error that may come of it."""
    try:
        return KUCOIN.decode_pushed(text)
    except FrameError as error:
        # What is a stream's own is never a book's, and fits any log.
        is_told = error.topic is None or (error.remedy, error.symbol) == ("ignore", None)
        return error.reason if is_told and str(error).encode() else error


def is_an_answer(found: object) -> bool:
    """One of the types that there are, or a reason."""
    return isinstance(found, Pushed | Control | Delta | OtherData | Ticker | str)


@given(
    st.one_of(
        damaged_texts(texts).map(lambda raw: raw.decode(errors="replace")),
        damaged_objects(whole).map(lambda raw: raw.decode(errors="surrogatepass")),
        st.builds(lambda frame, data: json.dumps({**frame, "data": data}), whole, json_values | odd_values),
        json_values.map(json.dumps),
        st.text(),
    )
)
def test_any_text(text: str) -> None:
    """No text is anything but a message or a ``FrameError``, which fits any log."""
    assert is_an_answer(outcome(text))


@given(streams, st.data())
def test_any_value_anywhere(stream: Stream, data: st.DataObject) -> None:
    """Nor is a whole message with anything in the place of one of its fields."""
    path = data.draw(st.sampled_from(list(stream.fields)))
    text = stream.text(with_value(stream.data, path, data.draw(json_values)))

    assert is_an_answer(outcome(text))


@given(streams, st.dictionaries(st.text(min_size=1).map(lambda key: f"new{key}"), json_values, max_size=3), st.data())
def test_unknown_fields_change_nothing(stream: Stream, more: dict[str, Any], draw: st.DataObject) -> None:
    """The venue may add to any object what it likes, in any order of the keys."""
    frame = json.loads(stream.text())
    draw.draw(st.sampled_from(_objects(frame))).update(more)
    text = json.dumps(dict(draw.draw(st.permutations(list(frame.items())))))
    if isinstance(outcome(text), str):
        # What it added cannot be read as JSON at all: a lone surrogate, or too deep.
        assert outcome(text) in ("utf8", "nesting", "json")
        return

    assert KUCOIN.decode_pushed(stream.text()) == KUCOIN.decode_pushed(text)


def _objects(value: Any) -> list[dict[str, Any]]:
    found = [value] if isinstance(value, dict) else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found + [one for part in inner for one in _objects(part)]


@given(streams, st.data())
def test_what_is_written_is_read(stream: Stream, draw: st.DataObject) -> None:
    """Whatever values the venue writes into its shape are read as they are, to the last digit."""
    data: Any = stream.data
    written = {}
    for path, field in stream.fields.items():
        value = written[path] = draw.draw(field.kind.values)
        data = with_value(data, path, value)

    found = KUCOIN.decode_pushed(stream.text(data))

    assert isinstance(found, Pushed)
    for path, field in stream.fields.items():
        value = value_at(data, path)
        expected = field.kind.meaning(value)
        side = field.attribute.partition(".")[0]
        if side in ("bid", "ask") and not field.kind.meaning(_price(stream, data, side)):
            expected = None
        assert expected == meant(found.message, field.attribute), path


def _price(stream: Stream, data: Any, side: str) -> Any:
    (path,) = (path for path, field in stream.fields.items() if field.attribute == f"{side}.price")
    return value_at(data, path)
