"""The ladder as a person sees it: golden texts, and what must hold for every book and every size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orderbook.results import BookView
from orderbook.types import BookState, Level
from orderbook.ui.ladder import ladder
from orderbook.ui.levels import ASCII, UNICODE, Glyphs, level_lines
from orderbook.ui.numbers import column, plain

Rows = Sequence[tuple[str, str]]
BIDS = [("67012.3", "0.5"), ("67012.2", "2"), ("67011", "0.125"), ("67010.25", "8")]
ASKS = [("67012.4", "0.25"), ("67013", "4.5"), ("67014.1", "1"), ("67020", "2")]
LONG = [("123456789012.3456789", "9223372036.854775807"), ("123456789012.2", "0.000000001")]
COUNTERS = {"frames": 2910, "applied": 2874, "gaps": 0, "tickers equal": 526, "tickers bad": 0}


def view_of(
    bids: Rows, asks: Rows, state: BookState = BookState.LIVE, *, symbol: str = "BTC-USDT", partial: bool = False
) -> BookView[Decimal]:
    """A view of a book."""
    left, right = (tuple(Level(Decimal(price), Decimal(size)) for price, size in rows) for rows in (bids, asks))
    reason = "in step with the stream" if state is BookState.LIVE else "delta 4711 is missing"
    return BookView(symbol, state, reason, 1613277186234, 2, None, None, left, right, partial)


def drawn(
    view: BookView[Decimal],
    width: int,
    height: int,
    *,
    others: Sequence[BookView[Decimal]] = (),
    glyphs: Glyphs = UNICODE,
    title: str = "demo",
) -> list[str]:
    """The lines that a plain terminal of this width would show."""
    console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
    console.print(
        ladder(view, COUNTERS, width, height, title=title, aside="3.0 of 30.3 s", others=others, glyphs=glyphs)
    )
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().rstrip("\n").split("\n")]


OTHERS = [
    view_of([("0.0000614", "18.897")], [("0.00006218", "43.3399")], symbol="NRG-BTC"),
    view_of([], [("2.5", "1")], symbol="FET-BTC"),
    view_of([], [], BookState.SYNCING, symbol="CAPP-BTC"),
]


def golden(text: str) -> list[str]:
    """Lines without the margin that keeps them readable here."""
    return [line[4:].rstrip() for line in text.strip("\n").split("\n")][:-1]


def test_a_live_book_at_80_columns() -> None:
    """Prices meet in the middle, bars grow outwards, decimal points stand in line, other books stand below."""
    assert golden(
        """
     demo                                                             3.0 of 30.3 s
     BTC-USDT  LIVE                                 sequence 1613277186234  epoch 2
     spread 0.1 (0.0149 bps)   mid 67012.35   imbalance +0.16
      total  size                      bid │      ask                  size  total
      0.5   0.5              ▐███ 67012.30 │ 67012.40 ██▌             0.25   0.25
      2.5   2            ▐███████ 67012.20 │ 67013.00 ███████████     4.5    4.75
      2.625 0.125              ▐█ 67011.00 │ 67014.10 █████           1      5.75
     10.625 8     ███████████████ 67010.25 │ 67020.00 ███████▌        2      7.75





     frames 2910   applied 2874   gaps 0   tickers equal 526   tickers bad 0
     NRG-BTC   LIVE     bid 0.0000614 x 18.897  ask 0.00006218 x 43.3399
     FET-BTC   LIVE     bid none                ask 2.5 x 1
     CAPP-BTC  SYNCING  delta 4711 is missing
    """
    ) == drawn(view_of(BIDS, ASKS), 80, 17, others=OTHERS)


def test_a_wide_terminal_shows_totals() -> None:
    """Size from the touch up to each price, outermost; and longer bars."""
    assert golden(
        """
     demo                                                                                 3.0 of 30.3 s
     BTC-USDT  LIVE                                                     sequence 1613277186234  epoch 2
     spread 0.1 (0.0149 bps)   mid 67012.35   imbalance +0.16
      total  size                                bid │      ask                            size  total
      0.5   0.5                      ██████ 67012.30 │ 67012.40 ████                      0.25   0.25
      2.5   2                 ▐████████████ 67012.20 │ 67013.00 ██████████████████▌       4.5    4.75
      2.625 0.125                       ███ 67011.00 │ 67014.10 ████████▌                 1      5.75
     10.625 8     █████████████████████████ 67010.25 │ 67020.00 ████████████▌             2      7.75
     frames 2910   applied 2874   gaps 0   tickers equal 526   tickers bad 0
    """
    ) == drawn(view_of(BIDS, ASKS), 100, 9)


def test_a_narrow_terminal_gives_up_the_bars() -> None:
    """At 40 columns prices and sizes are whole; what is cut off in other lines is marked."""
    assert golden(
        """
     demo                     3.0 of 30.3 s
     BTC-USDT  LIVE  sequence 1613277186234
     spread 0.1 (0.0149 bps)   mid 67012.35
         size      bid │      ask  size
        0.5   67012.30 │ 67012.40 0.25
        2     67012.20 │ 67013.00 4.5
        0.125 67011.00 │ 67014.10 1
        8     67010.25 │ 67020.00 2

     frames 2910   applied 2874   gaps 0
     tickers equal 526   tickers bad 0
     NRG-BTC   LIVE     bid 0.0000614  ask …
     FET-BTC   LIVE     bid none  ask 2.5
     CAPP-BTC  SYNCING  delta 4711 is missi…
    """
    ) == drawn(view_of(BIDS, ASKS), 40, 14, others=OTHERS)


def test_an_empty_book() -> None:
    """LIVE and empty is not the same as not LIVE: it says none."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  LIVE             sequence 1613277186234  epoch 2
     spread none   mid none
     total  size             bid │   ask            size total
                            none │  none
    """
    ) == drawn(view_of([], []), 60, 8)


def test_a_book_with_one_side() -> None:
    """No spread and no mid, but levels on the side that has some."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  LIVE             sequence 1613277186234  epoch 2
     spread none   mid none   imbalance -1.00
      size                   bid │     ask                size
                            none │ 67012.4 ███            0.25
                                 │ 67013.0 █████████████  4.5
                                 │ 67014.1 ██████         1
                                 │ 67020.0 ████████▌      2
     frames 2910   applied 2874   gaps 0   tickers equal 526
     tickers bad 0
    """
    ) == drawn(view_of([], ASKS), 60, 10)


def test_ascii_and_partial() -> None:
    """Without any character beyond ASCII; a partial book says so."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  LIVE  partial    sequence 1613277186234  epoch 2
     spread none   mid none   imbalance +1.00
      size                   bid |      ask               size
     0.5            === 67012.30 |     none
     2           ====== 67012.20 |
     0.125           -= 67011.00 |
     8     ============ 67010.25 |
    """
    ) == drawn(view_of(BIDS, [], partial=True), 60, 8, glyphs=ASCII)


def test_a_book_that_is_not_live_shows_no_levels() -> None:
    """State and reason instead, in as many lines, so that nothing jumps; the books that do not fit are counted."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  SYNCING          sequence 1613277186234  epoch 2


                         not LIVE: SYNCING
                       delta 4711 is missing
                        no levels are shown

     frames 2910   applied 2874   gaps 0   tickers equal 526
     tickers bad 0
     NRG-BTC  LIVE  bid 0.0000614  ask 0.00006218
     and 2 more
    """
    ) == drawn(view_of(BIDS, ASKS, BookState.SYNCING), 60, 12, others=OTHERS)


def test_very_long_numbers_at_110_columns() -> None:
    """All digits that 63 bits can hold, if there is room."""
    assert golden(
        """
     demo                                                                                           3.0 of 30.3 s
     BTC-USDT  LIVE                                                               sequence 1613277186234  epoch 2
     spread 0 (0 bps)   mid 123456789012.3456789   imbalance +0.00
                     size                             bid │                  ask                            size
     9223372036.854775807 ██████████ 123456789012.3456789 │ 123456789012.3456789 ██████████ 9223372036.854775807
              0.000000001          ▐ 123456789012.2000000 │ 123456789012.2000000 ▌                   0.000000001


     frames 2910   applied 2874   gaps 0   tickers equal 526   tickers bad 0
    """
    ) == drawn(view_of(LONG, LONG), 110, 9)


def test_very_long_numbers_at_60_columns() -> None:
    """First decimals of sizes give way, then those of prices, each marked; half a whole number is never shown."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  LIVE             sequence 1613277186234  epoch 2
     spread 0 (0 bps)   mid 123456789012.3456789
       size                  bid │                  ask   size
     ###### 123456789012.3456789 │ 123456789012.3456789 ######
         0… 123456789012.2000000 │ 123456789012.2000000     0…
    """
    ) == drawn(view_of(LONG, LONG), 60, 7)


def test_very_long_numbers_at_40_columns() -> None:
    """What cannot be shown as a number is shown as none."""
    assert golden(
        """
     demo                     3.0 of 30.3 s
     BTC-USDT  LIVE  sequence 1613277186234
     spread 0 (0 bps)
    size           bid │           ask size
    #### 123456789012… │ 123456789012… ####
      0… 123456789012… │ 123456789012…   0…

     frames 2910   applied 2874   gaps 0
     tickers equal 526   tickers bad 0
    """
    ) == drawn(view_of(LONG, LONG), 40, 9)


def test_a_tiny_terminal() -> None:
    """20 columns are not useful, but nothing in them is wrong."""
    assert golden(
        """
     demo 3.0 of 30.3 s
     BTC-USDT  LIVE
     spread 0.1 (0.0149…
    s    bid │    ask s
    # 67012… │ 67012… #
    2 67012… │  67013 #
    #  67011 │ 67014… 1
     frames 2910
     applied 2874
     gaps 0
     tickers equal 526
     tickers bad 0
    """
    ) == drawn(view_of(BIDS, ASKS), 20, 12)


def test_few_lines() -> None:
    """Levels come before counters and other books."""
    assert golden(
        """
     demo                                         3.0 of 30.3 s
     BTC-USDT  LIVE             sequence 1613277186234  epoch 2
     spread 0.1 (0.0149 bps)   mid 67012.35   imbalance +0.33
      size                   bid │     ask                size
      0.5  █████████████ 67012.3 │ 67012.4 █████████      0.25
    """
    ) == drawn(view_of(BIDS, ASKS), 60, 5, others=OTHERS)


# --- whatever the book ---

levels = st.lists(
    st.tuples(
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-9)),
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-(raw % 12))),
    ),
    max_size=6,
)


@given(levels, levels, st.integers(20, 130), st.integers(5, 30), st.sampled_from([UNICODE, ASCII]))
def test_every_picture_fits_its_terminal(
    bids: list[tuple[Decimal, Decimal]],
    asks: list[tuple[Decimal, Decimal]],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> None:
    """No line is too long and none too many, so that nothing wraps, scrolls or flickers."""
    for state in (BookState.LIVE, BookState.SYNCING):
        view = BookView("BTC-USDT", state, "so", 1, 1, None, None, _levels(bids), _levels(asks), partial=False)
        lines = ladder(view, COUNTERS, width, height, title="demo", others=OTHERS, glyphs=glyphs).plain.split("\n")
        assert len(lines) <= height
        assert max(map(len, lines)) <= width
        assert all(line.isascii() for line in lines) or glyphs is UNICODE


@given(levels, levels, st.integers(20, 130))
def test_no_number_is_shown_that_is_not_in_the_book(
    bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]], width: int
) -> None:
    """Each is exactly a price, a size or a sum of sizes; or one up to a marked decimal; or a filler."""
    exact = set()
    with localcontext(Context(prec=80)):
        for rows in (bids, asks):
            exact |= {number for row in rows for number in row}
            exact |= {sum((size for _, size in rows[:n]), Decimal()) for n in range(1, len(rows) + 1)}
        lines = level_lines(_levels(bids), _levels(asks), width, 10, UNICODE)
    texts = {plain(number) for number in exact}
    for token in " ".join(line.plain for line in lines[1:]).translate(dict.fromkeys(map(ord, "█▌▐│"), " ")).split():
        if token.endswith("…"):
            assert any(text.startswith(token[:-1]) and "." in text[: len(token)] for text in texts)
        elif token != "none" and set(token) != {"#"}:
            assert Decimal(token) in exact


def _levels(rows: Sequence[tuple[Decimal, Decimal]]) -> tuple[Level[Decimal], ...]:
    return tuple(Level(price, size) for price, size in rows)


def test_a_user_context_does_not_round_what_is_shown() -> None:
    """Sums and mid are exact, whatever the caller's decimal context is."""
    with localcontext(Context(prec=3)):
        lines = drawn(view_of(BIDS, ASKS), 100, 9)

    assert drawn(view_of(BIDS, ASKS), 100, 9) == lines


def test_the_longest_bar_is_the_largest_size() -> None:
    """Square roots of the sizes: a quarter of the size is half of the bar."""
    lines = level_lines(_rows([("9", "16"), ("8", "4")]), _rows([("10", "1"), ("11", "0.000001")]), 63, 5, UNICODE)
    bars = [[line.plain[:30].count("█"), line.plain[33:].count("█")] for line in lines[1:]]
    longest = bars[0][0]

    assert [[longest, longest // 4], [longest // 2, 0]] == bars
    assert "▌" in lines[2].plain


def _rows(rows: Rows) -> tuple[Level[Decimal], ...]:
    return _levels([(Decimal(price), Decimal(size)) for price, size in rows])


def test_alarms_stand_out_only_when_there_is_reason() -> None:
    """A count of 0 is quiet; a gap, a rejected frame or a bad ticker is in bold red; other counts never."""

    def loud(counters: dict[str, int]) -> list[str]:
        text = ladder(view_of(BIDS, ASKS), counters, 120, 20)
        words = [text.plain[span.start : span.end] for span in text.spans if span.style == "bold red"]
        return [word for word in words if word in counters]

    assert [] == loud({"frames": 5, "gaps": 0, "rejected": 0, "tickers bad": 0})
    assert ["gaps", "rejected", "tickers bad"] == loud({"frames": 5, "gaps": 1, "rejected": 2, "tickers bad": 3})


@pytest.mark.parametrize(("state", "style"), [("LIVE", "green"), ("SYNCING", "yellow"), ("FAILED", "red")])
def test_states_have_colours_and_words(state: str, style: str) -> None:
    """The word is there without colours; the colour says how bad it is."""
    text = ladder(view_of(BIDS, ASKS, BookState(state)), {}, 60, 10)
    styles = {str(span.style) for span in text.spans if text.plain[span.start : span.end] == state}

    assert {f"bold {style}"} == styles


@pytest.mark.parametrize(
    ("values", "fill", "width", "expected"),
    [
        (["1.5", "10", "0.125"], " ", None, ["1.5  ", "10    ", "0.125"]),
        (["1.5", "10", "0.125"], "0", None, ["1.500", "10.000", "0.125"]),
        (["1", "20"], "0", None, ["1", "20"]),
        ([], "0", None, []),
        (["1.25", "10.123456"], " ", 6, ["1.25 ", "10.12…"]),
        (["1.25", "10.123456"], "0", 4, ["1.…", "10.…"]),
        (["1.25", "10", "1000.5"], " ", 5, ["1…", "10", "1000…"]),
        (["100", "10000", "1.5"], " ", 3, ["100", "###", "1…"]),
        (["0.000000001"], "0", 1, ["#"]),
    ],
)
def test_a_column_shows_numbers_whole_or_visibly_cut(
    values: list[str], fill: str, width: int | None, expected: list[str]
) -> None:
    """The table of ``column``: aligned, exact, marked where cut, filled with # where even the units do not fit."""
    assert expected == column([Decimal(value) for value in values], fill, "…", width)
