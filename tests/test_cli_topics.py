"""``--topics``: what it can name, and what becomes of a name that is none."""

from __future__ import annotations

import click
import pytest

from orderbook.cli.record import record
from orderbook.cli.topics import BOOK, KINDS, Topics, checked_topics
from orderbook.feed.streaming import Streams
from tests.commands import orderbook_command

PARAMETER = next(one for one in record.params if one.name == "topics")


def topics(text: str) -> Topics:
    """What a text names."""
    return checked_topics(click.Context(record), PARAMETER, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("book", Topics(has_books=True, streams=())),
        ("trades", Topics(has_books=False, streams=(("trades", ""),))),
        ("trades,book,trades", Topics(has_books=True, streams=(("trades", ""),))),
        ("candles", Topics(has_books=False, streams=(("candles", "1min"),))),
        (
            "candles:1min, candles:1hour",
            Topics(has_books=False, streams=(("candles", "1min"), ("candles", "1hour"))),
        ),
        ("tickers:all", Topics(has_books=False, streams=(("tickers", "all"),))),
        ("top_levels:50", Topics(has_books=False, streams=(("top_levels", "50"),))),
    ],
)
def test_what_a_list_means(text: str, expected: Topics) -> None:
    """Each topic once, with what stands behind the colon, or what is meant without."""
    assert expected == topics(text)


@pytest.mark.parametrize(
    ("text", "needs", "private"),
    [
        ("book", True, None),
        ("tickers", True, None),
        ("tickers:all", False, None),
        ("orders,balances", False, "orders"),
        ("tickers:all,balances", False, "balances"),
        ("trades,balances", True, "balances"),
    ],
)
def test_what_a_list_needs(text: str, needs: bool, private: str | None) -> None:
    """Symbols, or a key."""
    assert (needs, private) == (topics(text).needs_symbols, topics(text).private)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trade", "no topic 'trade'; did you mean trades?"),
        ("xyz", "no topic 'xyz'; there are book, trades, candles, "),
        ("", "no topic ''; there are book"),
        ("book,", "no topic ''; there are book"),
        ("candles:2min", "'candles:2min': write candles:1min|3min|"),
        ("candles:", "'candles:': write candles:1min|3min|"),
        ("trades:all", "'trades:all': write trades alone"),
        ("book:all", "'book:all': write book alone"),
        ("top_levels:20", "'top_levels:20': write top_levels:5|50"),
    ],
)
def test_what_is_no_topic(text: str, message: str) -> None:
    """It is named, with what can be."""
    with pytest.raises(click.BadParameter) as caught:
        topics(text)

    assert message in str(caught.value)


def test_every_stream_of_a_feed_is_a_topic() -> None:
    """Under the name of the feed's method, and the help names it."""
    told = orderbook_command("record", "--help").stdout

    assert [] == [name for name in KINDS if not hasattr(Streams, name)]
    assert [] == [name for name in (BOOK, *KINDS) if name not in told]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "Missing argument 'SYMBOL...'"),
        (("--topics", "tickers"), "Missing argument 'SYMBOL...'"),
        (("BTC-USDT", "--topics", "tickers:all"), "none of these --topics is of symbols: leave the symbols out"),
        (("--topics", "orders", "--url", "http://127.0.0.1:1"), "orders are of an account, and need its API key"),
    ],
)
def test_symbols_and_keys_where_they_belong(
    args: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said before anything is asked or written."""
    monkeypatch.delenv("KUCOIN_API_KEY", raising=False)
    result = orderbook_command("record", "--out", "/nowhere/at/all.gz", *args)

    assert message in result.stderr
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
