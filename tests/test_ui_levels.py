"""The levels of a book beside each other: golden texts, and what must hold for every book and every width."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderbook.types import Level
from orderbook.ui.levels import ASCII, TOTALS_FROM, UNICODE, Glyphs, level_lines
from orderbook.ui.numbers import column, plain
from tests.panel_data import ASKS, BIDS, Rows

LONG = [("123456789012.3456789", "9223372036.854775807"), ("123456789012.2", "0.000000001")]


def rows(texts: Rows) -> tuple[Level[Decimal], ...]:
    """Levels as a view has them."""
    return levels_of([(Decimal(price), Decimal(size)) for price, size in texts])


def levels_of(pairs: Sequence[tuple[Decimal, Decimal]]) -> tuple[Level[Decimal], ...]:
    """Levels with these prices and sizes."""
    return tuple(Level(price, size) for price, size in pairs)


def drawn(bids: Rows, asks: Rows, width: int, height: int = 10, *, glyphs: Glyphs = UNICODE) -> list[str]:
    """The lines that a plain terminal of this width would show."""
    return [line.plain.rstrip() for line in level_lines(rows(bids), rows(asks), width, height, glyphs)]


def golden(text: str) -> list[str]:
    """Lines without the margin that keeps them readable here."""
    return [line[4:].rstrip() for line in text.strip("\n").split("\n")][:-1]


def test_80_columns() -> None:
    """Prices meet in the middle, bars grow outwards, decimal points stand in line, totals are outermost."""
    assert golden(
        """
      total  size                      bid │      ask                  size  total
      0.5   0.5              ▐███ 67012.30 │ 67012.40 ██▌             0.25   0.25
      2.5   2            ▐███████ 67012.20 │ 67013.00 ███████████     4.5    4.75
      2.625 0.125              ▐█ 67011.00 │ 67014.10 █████           1      5.75
     10.625 8     ███████████████ 67010.25 │ 67020.00 ███████▌        2      7.75
    """
    ) == drawn(BIDS, ASKS, 80)


def test_a_wide_terminal_has_longer_bars() -> None:
    """The numbers keep their places."""
    assert golden(
        """
      total  size                                bid │      ask                            size  total
      0.5   0.5                      ██████ 67012.30 │ 67012.40 ████                      0.25   0.25
      2.5   2                 ▐████████████ 67012.20 │ 67013.00 ██████████████████▌       4.5    4.75
      2.625 0.125                       ███ 67011.00 │ 67014.10 ████████▌                 1      5.75
     10.625 8     █████████████████████████ 67010.25 │ 67020.00 ████████████▌             2      7.75
    """
    ) == drawn(BIDS, ASKS, 100)


def test_a_narrow_terminal_gives_up_the_bars() -> None:
    """At 40 columns prices and sizes are whole."""
    assert golden(
        """
         size      bid │      ask  size
        0.5   67012.30 │ 67012.40 0.25
        2     67012.20 │ 67013.00 4.5
        0.125 67011.00 │ 67014.10 1
        8     67010.25 │ 67020.00 2
    """
    ) == drawn(BIDS, ASKS, 40)


def test_a_tiny_terminal() -> None:
    """20 columns are not useful, but nothing in them is wrong."""
    assert golden(
        """
    s    bid │    ask s
    # 67012… │ 67012… #
    2 67012… │  67013 #
    #  67011 │ 67014… 1
    """
    ) == drawn(BIDS, ASKS, 20, 4)


def test_few_lines_show_the_best_levels() -> None:
    """Columns are as wide as what is shown needs."""
    assert golden(
        """
      size                   bid │     ask                size
      0.5  █████████████ 67012.3 │ 67012.4 █████████      0.25
    """
    ) == drawn(BIDS, ASKS, 60, 2)


def test_an_empty_book() -> None:
    """It says none."""
    assert golden(
        """
      size                   bid │   ask                  size
                            none │  none
    """
    ) == drawn([], [], 60)


def test_a_book_with_one_side() -> None:
    """Levels on the side that has some."""
    assert golden(
        """
      size                   bid │     ask                size
                            none │ 67012.4 ███            0.25
                                 │ 67013.0 █████████████  4.5
                                 │ 67014.1 ██████         1
                                 │ 67020.0 ████████▌      2
    """
    ) == drawn([], ASKS, 60)


def test_ascii() -> None:
    """Without any character beyond ASCII."""
    assert golden(
        """
      size                   bid |      ask               size
     0.5            === 67012.30 |     none
     2           ====== 67012.20 |
     0.125           -= 67011.00 |
     8     ============ 67010.25 |
    """
    ) == drawn(BIDS, [], 60, glyphs=ASCII)


def test_very_long_numbers_at_140_columns() -> None:
    """All digits that 63 bits can hold, if there is room."""
    assert golden(
        """
                    total                 size                       bid │                  ask                      size                total
     9223372036.854775807 9223372036.854775807 ████ 123456789012.3456789 │ 123456789012.3456789 ████ 9223372036.854775807 9223372036.854775807
     9223372036.854775808          0.000000001    ▐ 123456789012.2000000 │ 123456789012.2000000 ▌             0.000000001 9223372036.854775808
    """  # noqa: E501 - as wide as it is
    ) == drawn(LONG, LONG, 140)


def test_very_long_numbers_at_110_columns() -> None:
    """First the bars give way, then the totals."""
    assert golden(
        """
          total                 size                  bid │                  ask                 size      total
     ########## 9223372036.854775807 123456789012.3456789 │ 123456789012.3456789 9223372036.854775807 ##########
     ##########          0.000000001 123456789012.2000000 │ 123456789012.2000000          0.000000001 ##########
    """
    ) == drawn(LONG, LONG, 110)


def test_very_long_numbers_at_60_columns() -> None:
    """First decimals of sizes give way, then those of prices, each marked; half a whole number is never shown."""
    assert golden(
        """
       size                  bid │                  ask   size
     ###### 123456789012.3456789 │ 123456789012.3456789 ######
         0… 123456789012.2000000 │ 123456789012.2000000     0…
    """
    ) == drawn(LONG, LONG, 60)


def test_very_long_numbers_at_40_columns() -> None:
    """What cannot be shown as a number is shown as none."""
    assert golden(
        """
    size           bid │           ask size
    #### 123456789012… │ 123456789012… ####
      0… 123456789012… │ 123456789012…   0…
    """
    ) == drawn(LONG, LONG, 40)


# --- whatever the book ---

SIZES = ("0.00000001", "0.5", "5120.5", "123456789.12345678", "9223372036.854775807")


@pytest.mark.parametrize("width", range(20, 140))
def test_the_width_alone_says_whether_there_are_totals(width: int) -> None:
    """A column that comes and goes with the sizes of the moment is hard to read."""
    headings = [drawn([("67012.30", size)], [("67012.40", size)], width)[0].split() for size in SIZES]

    assert {width >= 2 * TOTALS_FROM + 5} == {"total" in heading for heading in headings}


levels = st.lists(
    st.tuples(
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-9)),
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-(raw % 12))),
    ),
    max_size=6,
)


@given(levels, levels, st.integers(20, 130), st.integers(2, 10), st.sampled_from([UNICODE, ASCII]))
def test_the_lines_fit(
    bids: list[tuple[Decimal, Decimal]],
    asks: list[tuple[Decimal, Decimal]],
    width: int,
    height: int,
    glyphs: Glyphs,
) -> None:
    """None is too long and there are none too many; without characters that the terminal does not have."""
    lines = [line.plain for line in level_lines(levels_of(bids), levels_of(asks), width, height, glyphs)]

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
        lines = level_lines(levels_of(bids), levels_of(asks), width, 10, UNICODE)
    texts = {plain(number) for number in exact}
    for token in " ".join(line.plain for line in lines[1:]).translate(dict.fromkeys(map(ord, "█▌▐│"), " ")).split():
        if token.endswith("…"):
            assert any(text.startswith(token[:-1]) and "." in text[: len(token)] for text in texts)
        elif token != "none" and set(token) != {"#"}:
            assert Decimal(token) in exact


def test_the_longest_bar_is_the_largest_size() -> None:
    """Square roots of the sizes: a quarter of the size is half of the bar."""
    lines = level_lines(rows([("9", "16"), ("8", "4")]), rows([("10", "1"), ("11", "0.000001")]), 63, 5, UNICODE)
    bars = [[line.plain[:30].count("█"), line.plain[33:].count("█")] for line in lines[1:]]
    longest = bars[0][0]

    assert [[longest, longest // 4], [longest // 2, 0]] == bars
    assert "▌" in lines[2].plain


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
