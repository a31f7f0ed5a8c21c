"""``orderbook replay``: every book of a capture is accounted for, and whatever could not be read is named."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from orderbook.cli import replay as replaying
from orderbook.cli.terminal import Timing
from snapshots.capture import Record
from snapshots.replay import Replay
from snapshots.sniff import looks_like
from tests.captures import foreign, opened, written
from tests.commands import BUNDLED, objects, orderbook_command
from tests.kucoin_traffic import EXPECTED, bundled, delta, fields, is_ticker, of_symbols, snapshot, with_raw


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A capture of two books."""
    path = tmp_path / "small.jsonl.gz"
    path.write_bytes(foreign(of_symbols("NRG-BTC", "FET-BTC")))
    return path


def test_replay_prints_one_object_a_symbol() -> None:
    """What a program reads is what the library reports, with the file's name; nothing else is printed."""
    replayed = Replay()
    for record in bundled():
        replayed.feed(record)
    result = orderbook_command("replay", BUNDLED, "--format", "json")

    assert [report.to_json() for report in replayed.reports(capture=BUNDLED)] == objects(result)
    assert (0, "") == (result.exit_code, result.stderr)


def test_replay_prints_a_table_and_ladders() -> None:
    """One row a symbol with everything that was counted, then the best levels of each."""
    result = orderbook_command("replay", BUNDLED, "--levels", "2")
    lines = result.stdout.splitlines()

    for row, expected in zip(lines[3:8], EXPECTED, strict=True):
        applied = expected.frames - expected.duplicates
        cells = [expected.symbol, "LIVE", str(expected.frames), str(applied), str(expected.duplicates)]
        assert [*cells, "0", "0", "0", "0", str(expected.tickers), "0"] == [*row.split()[:2], *row.split()[3:12]]
        assert [expected.bid[0], expected.ask[0]] == row.split()[-2:]
    assert [
        "NRG-BTC  LIVE",
        "   total    size                             bid │        ask                         size   total",
        " 18.897  18.897         █████████████ 0.00006140 │ 0.00006218 ████████████████████ 43.3399 43.3399",
        " 20.2633  1.3663                 ▐███ 0.00006139 │ 0.00006232 ████▌                 2.5674 45.9073",
    ] == lines[-5:-1]
    assert (0, "") == (result.exit_code, result.stderr)


def test_replay_fits_a_narrow_terminal() -> None:
    """At 80 columns whole columns are left out; no number is cut."""
    result = orderbook_command("replay", BUNDLED, env={"COLUMNS": "80"})

    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout
    assert all(f" {expected.tickers} " in result.stdout for expected in EXPECTED)


def test_a_book_that_is_not_live_is_not_shown_as_one(tmp_path: Path) -> None:
    """Its state, why, and that its levels are the last known ones; that is a finding, not a failure."""
    records = [record for record in of_symbols("NRG-BTC") if b"1612702190330" not in record.raw]
    path = tmp_path / "gap.jsonl.gz"
    path.write_bytes(foreign(records))
    table = orderbook_command("replay", str(path))
    (report,) = objects(orderbook_command("replay", str(path), "--format", "json"))

    assert (0, "") == (table.exit_code, table.stderr)
    assert "NRG-BTC  SYNCING: waiting for 1612702190330; last known levels" in table.stdout.splitlines()
    assert ("SYNCING", 1612702190329, 1) == (report["state"], report["sequence"], report["gaps"])
    assert 5 == len(report["bids"])


def test_replay_of_chosen_symbols(small: Path) -> None:
    """Only those; one that is not there is named, with those that are, and what is there is printed all the same."""
    chosen = orderbook_command("replay", str(small), "--symbol", "NRG-BTC", "--format", "json", "--levels", "1")
    missing = orderbook_command(
        "replay", str(small), "--symbol", "NRG-BTC", "--symbol", "BTC-USDT", "--format", "json", "--levels", "1"
    )

    assert ["NRG-BTC"] == [report["symbol"] for report in objects(chosen)]
    assert ([["0.0000614", "18.897"]], 0) == (objects(chosen)[0]["bids"], chosen.exit_code)
    assert objects(chosen) == objects(missing)
    assert "orderbook: error: no BTC-USDT was replayed; there is FET-BTC, NRG-BTC\n" == missing.stderr
    assert 1 == missing.exit_code


def test_replay_of_several_captures(small: Path, tmp_path: Path) -> None:
    """Each on its own, in order; one that cannot be read costs its own results and the exit code."""
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(foreign(of_symbols("CAPP-BTC")))
    result = orderbook_command("replay", str(small), "missing", str(other), "--format", "json")

    assert [(str(small), "FET-BTC"), (str(small), "NRG-BTC"), (str(other), "CAPP-BTC")] == [
        (report["capture"], report["symbol"]) for report in objects(result)
    ]
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))


def test_a_bad_check_is_named_and_fails(tmp_path: Path) -> None:
    """The results are printed; stderr says which ticker differed and how."""
    records = of_symbols("NRG-BTC")
    index = [i for i, record in enumerate(records) if is_ticker(record, "NRG-BTC")][-1]
    message = fields(records[index])
    message["data"]["bestBidSize"] = "1"
    records[index] = with_raw(records[index], message)
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(foreign(records))
    result = orderbook_command("replay", str(path), "--format", "json")
    first, second = result.stderr.splitlines()

    assert {"ok": 33, "bad": 1, "skipped": 3} == objects(result)[0]["checks"]["ticker"]
    assert f"orderbook: error: {path}: NRG-BTC: checks that came out bad: 1" == first
    assert re.search(
        r"ticker at sequence \d+: the book has bid 0.0000614 x \S+, ask .*, the venue bid \S+ x 1,", second
    )
    assert 1 == result.exit_code


def test_what_was_compared_with_nothing_says_so(tmp_path: Path) -> None:
    """Three times 0 would look like a comparison: without tickers there are no such columns, but words."""
    tickers, bare = of_symbols("NRG-BTC"), [one for one in of_symbols("FET-BTC") if not is_ticker(one, "FET-BTC")]
    told = []
    for name, records in (("all", tickers), ("none", bare), ("some", [*tickers, *bare])):
        path = tmp_path / f"{name}.jsonl.gz"
        path.write_bytes(foreign(records))
        result = orderbook_command("replay", str(path))
        words = [line for line in result.stdout.splitlines() if line.startswith("Nothing to compare with")]
        told.append((result.exit_code, "tickers" in result.stdout, words))

    nothing = "no ticker and no later snapshot at a sequence of a LIVE book."
    assert (0, True, []) == told[0]
    assert (0, False, [f"Nothing to compare with: {nothing}"]) == told[1]
    assert (0, True, [f"Nothing to compare with for FET-BTC: {nothing}"]) == told[2]


def test_later_snapshots_have_columns_in_a_narrow_table(tmp_path: Path) -> None:
    """What was compared is never left out."""
    levels = [("100", "5")], [("101", "7")]
    path = tmp_path / "audited.jsonl.gz"
    path.write_bytes(foreign([delta(11), snapshot(10, *levels), snapshot(11, *levels)]))
    result = orderbook_command("replay", str(path), "--levels", "1", env={"COLUMNS": "40"})
    lines = result.stdout.splitlines()

    assert (0, "snapshots") == (result.exit_code, lines[0].strip())
    assert ["symbol", "state", "gaps", "equal", "bad"] == lines[1].split()
    assert ["BTC-USDT", "LIVE", "0", "1", "0"] == lines[3].split()


def test_a_cut_capture_is_replayed_up_to_there(tmp_path: Path) -> None:
    """A warning says where it stops; the books are those of the records before; that is no failure."""
    data, marks = written(of_symbols("NRG-BTC", "FET-BTC"), flush_every=200)
    offset, count = marks[1]
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(data[: offset + 100])
    replayed = Replay()
    for record in of_symbols("NRG-BTC", "FET-BTC")[:count]:
        replayed.feed(record)
    result = orderbook_command("replay", str(path), "--format", "json")

    assert [report.to_json() for report in replayed.reports(capture=str(path))] == objects(result)
    assert result.stderr.startswith(f"orderbook: warning: {path}: the capture stops after record {count} ")
    assert (0, 1) == (result.exit_code, result.stderr.count("\n"))


def test_corrupt_lines_are_named_by_number(tmp_path: Path) -> None:
    """Everything else is replayed; of many, the first are named and the others counted; the exit code says so."""
    lines = gzip.decompress(foreign(of_symbols("NRG-BTC"))).splitlines(keepends=True)
    few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
    few.write_bytes(b"".join([*lines[:9], b"{spoilt\n", *lines[9:]]))
    many.write_bytes(b"".join([*lines, *[b"{spoilt\n"] * 30]))
    result = orderbook_command("replay", str(few), "--format", "json")

    assert ("LIVE", 34) == (objects(result)[0]["state"], objects(result)[0]["checks"]["ticker"]["ok"])
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))
    assert f"orderbook: error: {few}: line 10 is left out" in result.stderr
    result = orderbook_command("replay", str(many), "--format", "json")
    assert (1, replaying.PROBLEMS_SHOWN + 1, 1) == (
        result.exit_code,
        result.stderr.count("\n"),
        result.stderr.count("and 10 more such places"),
    )


def test_a_corrupt_block_is_named(tmp_path: Path) -> None:
    """The bytes left out are named, what is in the other blocks is replayed."""
    data, marks = written(of_symbols("NRG-BTC", "FET-BTC"), flush_every=200)
    spoilt = bytearray(data)
    spoilt[marks[1][0] - 30] ^= 0xFF
    path = tmp_path / "spoilt.jsonl.gz"
    path.write_bytes(spoilt)
    result = orderbook_command("replay", str(path), "--format", "json")

    assert ["FET-BTC", "NRG-BTC"] == [report["symbol"] for report in objects(result)]
    assert f"{path}: bytes {marks[0][0]} to {marks[1][0]} are left out" in result.stderr
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))


VENUES = [
    ("Binance", "wss://stream.binance.com:9443/ws", b"{}"),
    ("Binance", None, b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate"}}'),
    ("Binance", None, b'{"lastUpdateId":1,"bids":[],"asks":[]}'),
    ("Binance US", "https://api.binance.us/api/v3/depth", b"{}"),
    ("OKX", None, b'{"arg":{"channel":"books","instId":"ZEN-USDT"},"action":"snapshot"}'),
    ("OKX", "wss://ws.okx.com:8443/ws/v5/public", b"{}"),
    ("Bybit", None, b'{"topic":"orderbook.500.XRPUSDT","type":"snapshot"}'),
    ("Kraken", None, b'[336,{"as":[]},"book-1000","XBT/CHF"]'),
    ("Kraken", None, b'{"feed":"book_snapshot"}'),
    ("Coinbase", None, b'{"type":"l2update","product_id":"NU-GBP","changes":[]}'),
    ("Bitget", None, b'{"action":"update","arg":{"instType":"sp","channel":"books"}}'),
    ("Gate.io", None, b'{"time":1,"channel":"spot.order_book_update"}'),
    ("Bitfinex", None, b"[9,[[60417,1,0.6]],17]"),
]


@pytest.mark.parametrize(("venue", "url", "raw"), VENUES)
def test_a_capture_of_another_venue_is_recognised(venue: str, url: str | None, raw: bytes, tmp_path: Path) -> None:
    """One line says that nothing in it is KuCoin's, whose it looks like, and what can be replayed."""
    path = tmp_path / "other.jsonl.gz"
    path.write_bytes(foreign([Record(None, "ws", url, raw)] * 3))
    result = orderbook_command("replay", str(path))

    assert (
        f"orderbook: error: {path}: holds no KuCoin messages; looks like {venue}; replay takes captures of: kucoin\n"
        == result.stderr
    )
    assert (1, "") == (result.exit_code, result.stdout)


def test_nobodys_traffic_looks_like_nobodys() -> None:
    """No guess is better than a wrong one; of a mixture, the most counts."""
    assert looks_like([]) is None
    assert looks_like([Record(None, "ws", None, b'{"hello":1}')]) is None
    assert "KuCoin" == looks_like([Record(None, "ws", None, VENUES[1][2]), *of_symbols("NRG-BTC")])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([Record(None, "ws", None, b'{"hello":1}')], "holds no KuCoin messages; replay takes captures of: kucoin"),
        (
            [Record(None, "ws", None, b'{"type":"message","topic":"/contractMarket/level2:XBTUSDM","data":{}}')],
            "holds KuCoin messages, but no level-2 deltas and no snapshots; record /market/level2 as well",
        ),
    ],
)
def test_a_capture_with_nothing_to_replay(records: list[Record], message: str, tmp_path: Path) -> None:
    """It says what is missing instead of printing nothing."""
    path = tmp_path / "useless.jsonl.gz"
    path.write_bytes(foreign(records))
    result = orderbook_command("replay", str(path), "--symbol", "BTC-USDT")

    assert (1, "", f"orderbook: error: {path}: {message}\n") == (result.exit_code, result.stdout, result.stderr)


def test_a_long_capture_of_another_venue_is_not_read_to_its_end(tmp_path: Path) -> None:
    """After a thousand foreign records the answer is known."""
    records = [*[Record(None, "ws", None, VENUES[1][2])] * replaying.SNIFFED_RECORDS, *of_symbols("NRG-BTC")]
    late, early = tmp_path / "late.jsonl.gz", tmp_path / "early.jsonl.gz"
    late.write_bytes(foreign(records))
    early.write_bytes(foreign(records[1:]))

    assert "looks like Binance" in orderbook_command("replay", str(late)).stderr
    assert 0 == orderbook_command("replay", str(early)).exit_code


def test_a_capture_cut_before_its_first_record(tmp_path: Path) -> None:
    """Nothing can be printed, so it is a failure, with the reason and the place."""
    data, _ = written(of_symbols("NRG-BTC"))
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(data[:200])
    result = orderbook_command("replay", str(path))
    first, second = result.stderr.splitlines()

    assert ("stops after record 0" in first, "holds no whole record" in second) == (True, True)
    assert (1, "") == (result.exit_code, result.stdout)


# --- progress ---


def test_a_long_replay_shows_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, after half a second, a bar by bytes read that vanishes at the end; the records pass unchanged."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(replaying, "Console", lambda **_: console)
    monkeypatch.setattr(replaying, "is_terminal", lambda _: True)
    seconds = iter(range(10_000))
    data, _ = written(of_symbols("FET-BTC"), flush_every=100)

    passed = list(replaying.with_progress(opened(data), Timing(now=lambda: next(seconds) / 10)))
    assert of_symbols("FET-BTC") == passed
    percents = [int(text) for text in re.findall(r"(\d+)%", screen.getvalue())]
    assert "replaying" in screen.getvalue()
    assert (percents, True) == (sorted(percents), 0 < percents[0] < percents[-1])


def test_a_short_replay_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing flashes up."""
    screen = io.StringIO()
    monkeypatch.setattr(replaying, "Console", lambda **_: Console(file=screen, force_terminal=True))
    monkeypatch.setattr(replaying, "is_terminal", lambda _: True)
    data, _ = written(of_symbols("FET-BTC"))

    assert 0 < len(list(replaying.with_progress(opened(data), Timing(now=lambda: 0.0))))
    assert "" == screen.getvalue()
