"""What is written into a capture comes out again, exactly; what is no capture is refused in one line."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import snapshots
from orderbook.errors import UsageError
from snapshots import records
from snapshots.capture import CaptureError, CaptureReader, CaptureWriter, Problem, Record, read_capture
from snapshots.records import LineError, decode_line, encode_line
from tests.captures import URL, foreign, frames, lines, opened, written
from tests.unchecked import unchecked

# Texts without surrogates: only those can be encoded. Addresses without the marks of a secret stay as they are.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
RECORDS = st.builds(
    Record,
    ts=st.none() | st.integers(0, records.TS_MAX),
    kind=st.sampled_from(["ws", "rest", "open", "close"]),
    url=st.none() | TEXTS.filter(lambda text: not set("=@%") & set(text)),
    raw=st.binary() | TEXTS.map(str.encode),
    status=st.none() | st.integers(100, 999),
)


@given(st.lists(RECORDS), st.integers(1, 300), st.integers(0, 9))
def test_any_records_come_back(some: list[Record], block_bytes: int, level: int) -> None:
    """Any bytes and any address survive, in any size of block, and gunzip finds the same lines."""
    file = io.BytesIO()
    with CaptureWriter(file, block_bytes=block_bytes, level=level) as writer:
        assert [True] * len(some) == [writer.write(record) for record in some]
    with opened(file.getvalue()) as reader:
        assert some == list(reader)

    assert [] == reader.problems
    assert reader.finished
    assert (len(some), len(some)) == (writer.record_count, reader.record_count)
    assert len(file.getvalue()) == writer.bytes_written == reader.compressed_offset == reader.compressed_size
    assert lines(some) == gzip.decompress(file.getvalue())


def test_the_container_is_the_documented_one() -> None:
    """The line of each kind of record, to the letter."""
    assert lines(
        [
            Record(1619378326134871000, "open", URL, b""),
            Record(None, "ws", None, 'a "quoted"\nline \N{SNOWMAN}'.encode()),
            Record(5, "rest", "https://x/?a=1", b"busy", 503),
            Record(6, "ws", URL, b"\xff\x00"),
            Record(7, "close", URL, b"1006 gone"),
        ]
    ).decode().splitlines() == [
        '{"ts":1619378326134871000,"kind":"open","url":"wss://ws.example.com/endpoint","raw":""}',
        '{"ts":null,"kind":"ws","url":null,"raw":"a \\"quoted\\"\\nline \N{SNOWMAN}"}',
        '{"ts":5,"kind":"rest","url":"https://x/?a=1","status":503,"raw":"busy"}',
        '{"ts":6,"kind":"ws","url":"wss://ws.example.com/endpoint","enc":"base64","raw":"/wA="}',
        '{"ts":7,"kind":"close","url":"wss://ws.example.com/endpoint","raw":"1006 gone"}',
    ]


def test_text_is_there_where_there_is_text() -> None:
    """``text`` is the exact text, and ``None`` for bytes that are none."""
    assert "\N{SNOWMAN}" == Record(None, "ws", None, "\N{SNOWMAN}".encode()).text
    assert None is Record(None, "ws", None, b"\xff").text


def test_reading_is_one_pass() -> None:
    """``next`` and ``for`` share one position, and the end stays the end."""
    some = frames(5)
    reader = opened(written(some)[0])

    assert some[0] == next(reader)
    assert some[1:] == list(reader)
    assert [] == list(reader)


def test_a_closed_reader_does_not_play_an_empty_one() -> None:
    """Reading on after an early close is refused, not answered with nothing."""
    with opened(written(frames(5))[0]) as reader:
        next(reader)
    with pytest.raises(UsageError, match="closed before its end"):
        next(reader)
    assert not reader.finished


def test_plain_lines_are_read(tmp_path: Path) -> None:
    """A capture may be stored without compression; its last line needs no line feed."""
    some = frames(3000)
    path = tmp_path / "plain.jsonl"
    path.write_bytes(lines(some).rstrip(b"\n"))
    with read_capture(path) as reader:
        assert some == list(reader)
    assert [] == reader.problems
    assert (3000, 3000) == (reader.record_count, reader.line_count)
    assert path.stat().st_size == reader.compressed_offset == reader.compressed_size


def test_a_bad_line_far_into_a_plain_file_is_found_again() -> None:
    """Its place is exact, however many pieces the file was read in."""
    text = lines(frames(9000))
    reader = opened(text + b"bad\n" + text)

    assert 18_000 == len(list(reader))
    assert [("corrupt_line", 9001, len(text))] == [problem[:3] for problem in reader.problems]


def test_a_full_block_goes_out_at_once() -> None:
    """Full is ``block_bytes`` exactly: with the size of a line, every record is flushed by itself."""
    some = frames(5)
    file = io.BytesIO()
    writer = CaptureWriter(file, block_bytes=len(lines(some[:1])))
    for count, record in enumerate(some, start=1):
        writer.write(record)
        assert count == writer.block_count
        assert some[:count] == list(opened(file.getvalue()))


def test_lines_may_run_across_the_members_of_others() -> None:
    """Some tools cut a gzip file into members anywhere; only blocks of ours begin a line."""
    some = frames(10)
    text = lines(some)
    data = b"".join(gzip.compress(text[i : i + 37]) for i in range(0, len(text), 37))

    assert some == list(opened(data))
    ours = written(frames(3, seed=2))[0]
    assert some + frames(3, seed=2) == list(opened(gzip.compress(text.rstrip(b"\n")) + ours))


def test_progress_grows_to_the_size(tmp_path: Path) -> None:
    """The offset never runs back, passes through the file and ends at its size."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(written(frames(2000), flush_every=100)[0])
    with read_capture(path) as reader:
        offsets = [reader.compressed_offset for _ in reader]
    assert sorted(offsets) == offsets
    assert 20 == len(set(offsets))
    assert path.stat().st_size == reader.compressed_size == reader.compressed_offset


def line(**fields: object) -> bytes:
    """A line with some of its fields changed; ``...`` leaves one out."""
    whole = {"ts": 1, "kind": "ws", "url": None, "raw": ""} | fields
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


BAD_LINES: list[tuple[bytes, str]] = [
    (b"", "not JSON"),
    (b"   ", "not JSON"),
    (b"{", "not JSON"),
    (b'{"ts":1,"kind":"ws","url":null,"raw":"a', "not JSON"),
    (line() + b" x", "not JSON"),
    (line(raw="a\n").replace(b"\\n", b"\x01"), "not JSON"),
    (line(x=float("nan")), "NaN is not JSON"),
    (b"\xff" + line(), "not UTF-8"),
    (b"[]", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"[" * 60_000, "nested too deeply"),
    (line(x=...)[:-1] + b',"x":' + b'{"x":' * 10_000, "nested too deeply"),
    (line(x=int("9" * 4000)), "number in it is too long"),
    (line().replace(b"1,", b"1" * 5000 + b","), "number in it is too long"),
    (b'{"raw":"a","kind":"ws","raw":"b"}', "a name stands twice"),
    (line(x={}).replace(b"{}", b'{"a":1,"a":1}'), "a name stands twice"),
    (line(ts="1"), "ts is neither"),
    (line(ts=1.0), "ts is neither"),
    (line(ts=True), "ts is neither"),
    (line(ts=-1), "ts is neither"),
    (line(ts=2**63), "ts is neither"),
    (line(kind=...), "kind is not known"),
    (line(kind="WS"), "kind is not known"),
    (line(kind=["ws"]), "kind is not known"),
    (line(url=1), "url is neither"),
    (line(url="\ud800"), "half a surrogate pair"),
    (line(raw=...), "raw is missing"),
    (line(raw=None), "raw is missing"),
    (line(raw={"a": 1}), "raw is missing"),
    (line(raw="\ud800"), "half a surrogate pair"),
    (line(raw="a\udfff", enc="base64"), "not base64"),
    (line(raw="/wA", enc="base64"), "not base64"),
    (line(raw="/w A=", enc="base64"), "not base64"),
    (line(raw="\xff", enc="base64"), "not base64"),
    (line(enc="hex"), "enc is not known"),
    (line(enc=1), "enc is not known"),
    (line(status="200"), "status is no"),
    (line(status=True), "status is no"),
    (line(status=99), "status is no"),
    (line(status=1000), "status is no"),
    (line(raw="x" * 70_000, y=[{}]), "not one flat JSON object"),
    (line(raw="x" * 70_000) + b"}", "not one flat JSON object"),
    (line(raw="x" * 70_000, **{f"k{i}": "" for i in range(20)}), "not one flat JSON object"),
]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(("bad", "reason"), BAD_LINES)
def test_a_bad_line_is_named_and_left_out(bad: bytes, reason: str, plain: bool) -> None:
    """Every way a line can be wrong: its number, its place and the reason are told, the others are read."""
    before, after = frames(2), frames(3, seed=2)
    text = lines(before) + bad + b"\n" + lines(after)
    reader = opened(text if plain else gzip.compress(text))

    assert before + after == list(reader)
    (problem,) = reader.problems
    assert ("corrupt_line", 3, len(lines(before)) if plain else 0) == problem[:3]
    assert reason in problem.text
    assert problem.text.startswith("line 3 is left out: ")
    assert 6 == reader.line_count


@pytest.mark.parametrize(
    ("good", "expected"),
    [
        (line(ts=..., url=...), Record(None, "ws", None, b"")),
        (line(enc=None, status=None, later={"any": [10**19, 2.5]}), Record(1, "ws", None, b"")),
        (b" " + line(raw="a") + b" \r", Record(1, "ws", None, b"a")),
        (line(raw=base64.b64encode(b"text").decode(), enc="base64"), Record(1, "ws", None, b"text")),
        (line(raw="\U0001f600", ts=records.TS_MAX), Record(records.TS_MAX, "ws", None, "\U0001f600".encode())),
        (line(raw='["{' * 30_000, status=429), Record(1, "ws", None, b'["{' * 30_000, 429)),
    ],
)
def test_a_line_with_freedoms_is_read(good: bytes, expected: Record) -> None:
    """Missing nulls, unknown names, blanks around, escapes, and a long line of text that looks like JSON."""
    assert expected == decode_line(good)


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["ts", "kind", "url", "raw", "enc"]), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_line_is_a_record_or_a_line_error(raw: bytes) -> None:
    """Nothing else is raised, and what was read can be written and read again."""
    try:
        record = decode_line(raw)
    except LineError:
        return
    assert record == decode_line(encode_line(record, record.url))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(-1, "ws", None, b""), "ts"),
        (Record(1, unchecked("WS"), None, b""), "kind"),
        (Record(1, "ws", unchecked(b"x"), b""), "url"),
        (Record(1, "ws", "\ud800", b""), "url"),
        (Record(1, "ws", None, unchecked("x")), "raw"),
        (Record(1, "ws", None, b"", 20), "status"),
        (Record(1, "ws", None, b"x" * records.RECORD_BYTES_MAX), "bytes are more than"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(record: Record, reason: str) -> None:
    """A record that the container cannot hold is refused, and the capture goes on without it."""
    file = io.BytesIO()
    with CaptureWriter(file) as writer:
        with pytest.raises(UsageError, match=reason):
            writer.write(record)
        assert writer.write(frames(1)[0])
    assert frames(1) == list(opened(file.getvalue()))


def test_the_longest_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of exactly the bound is written, one byte more is not."""
    fits = Record(1, "ws", None, b"x" * 50)
    monkeypatch.setattr(records, "RECORD_BYTES_MAX", len(encode_line(fits, None)))
    assert fits == decode_line(encode_line(fits, None))
    with pytest.raises(UsageError, match="bytes are more than"):
        encode_line(fits._replace(raw=b"x" * 51), None)


def test_secrets_never_reach_the_file() -> None:
    """Tokens and passwords in addresses are replaced, token answers are refused and counted."""
    canary = "c4n4ry"
    file = io.BytesIO()
    with CaptureWriter(file) as writer:
        assert writer.write(Record(1, "open", f"wss://u:{canary}@x/?token={canary}&connectId=7", b""))
        assert writer.write(Record(2, "rest", f"https://x/?signature={canary}", b"[]"))
        assert not writer.write(Record(3, "rest", "https://x/api/v1/bullet-public", canary.encode()))
        assert not writer.write(Record(4, "rest", None, b'{"token":"%b","instanceServers":[]}' % canary.encode()))

    assert (2, 2) == (writer.record_count, writer.refused_count)
    assert canary not in gzip.decompress(file.getvalue()).decode()
    assert ["wss://TOKEN@x/?token=TOKEN&connectId=7", "https://x/?signature=TOKEN"] == [
        record.url for record in opened(file.getvalue())
    ]


def test_an_existing_file_is_safe(tmp_path: Path) -> None:
    """Writing over a file takes a word; so does continuing it; both words at once mean nothing."""
    path = tmp_path / "a.jsonl.gz"
    first, second = frames(3), frames(4, seed=2)
    for some, options in ((first, {}), (second, {"append": True})):
        with CaptureWriter(path, **options) as writer:
            assert len(some) == sum(map(writer.write, some))
    with pytest.raises(CaptureError, match=r"a\.jsonl\.gz: File exists; choose another name, or"):
        CaptureWriter(path)
    with pytest.raises(UsageError, match="contradict"):
        CaptureWriter(path, append=True, overwrite=True)

    assert first + second == list(read_capture(path))
    CaptureWriter(path, overwrite=True).close()
    assert [] == list(read_capture(path))


def test_append_makes_a_missing_file(tmp_path: Path) -> None:
    """Continuing what is not there begins it, so that a recorder need not look first."""
    with CaptureWriter(tmp_path / "new", append=True) as writer:
        writer.write(frames(1)[0])
    assert frames(1) == list(read_capture(tmp_path / "new"))


@pytest.mark.parametrize(
    ("before", "readable"),
    [(lines(frames(2)), False), (foreign(frames(2)), True), (foreign(frames(2))[:-1], False), (b"\x00" * 50, False)],
)
def test_append_continues_only_whole_blocks(before: bytes, readable: bool, tmp_path: Path) -> None:
    """The files of others too, if they are whole; anything else is refused and left as it was."""
    path = tmp_path / "a"
    path.write_bytes(before)
    if not readable:
        with pytest.raises(CaptureError, match="from byte 0 on it is no whole block; record to a new file"):
            CaptureWriter(path, append=True)
        assert before == path.read_bytes()
        return
    with CaptureWriter(path, append=True) as writer:
        writer.write(frames(1, seed=2)[0])
    assert frames(2) + frames(1, seed=2) == list(read_capture(path))


def test_a_capture_without_records_is_one(tmp_path: Path) -> None:
    """It is told from a file that never got its first block."""
    with CaptureWriter(tmp_path / "a"):
        pass
    reader = read_capture(tmp_path / "a")
    assert ([], []) == (list(reader), reader.problems)


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    """Closing twice is nothing; writing or flushing afterwards is the caller's mistake."""
    writer = CaptureWriter(tmp_path / "a")
    writer.close()
    writer.close()
    with pytest.raises(UsageError, match="is closed"):
        writer.write(frames(1)[0])
    with pytest.raises(UsageError, match="is closed"):
        writer.flush()


def test_the_package_offers_the_capture() -> None:
    """What users need is importable from the top, and listed."""
    offered = {"CaptureError", "CaptureReader", "CaptureWriter", "Problem", "Record", "read_capture"}
    assert offered <= set(snapshots.__all__)
    assert (CaptureReader, Problem) == (snapshots.CaptureReader, snapshots.Problem)
