"""The whole picture of ``watch``: golden texts, and what must hold for every feed and every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from orderbook.feed.health import FeedHealth, LinkHealth
from orderbook.types import BookState, Level, Side
from orderbook.ui.controls import ViewState
from orderbook.ui.dashboard import dashboard, header, layout
from orderbook.ui.flash import Flash
from orderbook.ui.levels import ASCII, FRESH, UNICODE, Glyphs
from orderbook.ui.panels import PanelData
from orderbook.ui.pieces import duration, rate
from tests.panel_data import ASKS, BIDS, HEALTH, LINK, THREE, panel_of, plain_console, printed, view_of


def picture(
    data: Sequence[PanelData],
    width: int,
    height: int,
    state: ViewState | None = None,
    *,
    glyphs: Glyphs = UNICODE,
    flashes: dict[str, Flash] | None = None,
) -> Text:
    """The dashboard, as the screen asks for it."""
    state = ViewState() if state is None else state
    state = state.seen(len(data), layout(len(data), state, width, height).fits)
    return dashboard(data, HEALTH, state, width, height, venue="kucoin", glyphs=glyphs, flashes=flashes)


def drawn(
    data: Sequence[PanelData], width: int, height: int, state: ViewState | None = None, *, glyphs: Glyphs = UNICODE
) -> list[str]:
    """The lines that a terminal without colours would show."""
    console = plain_console(width, height)
    console.print(picture(data, width, height, state, glyphs=glyphs))
    return [line.rstrip() for line in printed(console)]


def golden(text: str) -> list[str]:
    """Lines without the margin that keeps them readable here."""
    return [line[4:].rstrip() for line in text.strip("\n").split("\n")][:-1]


def test_as_many_ladders_as_fit_and_a_line_for_each_other_symbol() -> None:
    """Two of 34 columns or more, with their health, spread and horizon; the third symbol, not LIVE, in a table."""
    assert golden(
        """
     link up   rtt 12 ms   LIVE 2 of 3   budget 40 of 2000   reconnects 0
    ►BTC-USDT  LIVE  seq 1613277186234 │ ETH-USDT  LIVE  seq 1613277186234
     age 12 ms   412 msg/s   for 2 h   │ age 12 ms   412 msg/s   for 2 h
     gaps 0   resyncs 0                │ gaps 0   resyncs 0
     imbalance(5) +0.16 ████████░░░░░░ │ imbalance(5) +0.55 ███████████░░░
          ask   size  total            │     ask   size total
                                       │
     67020.00  2      7.75  █████      │
     67014.10  1      5.75  ███▌       │
     67013.00  4.5    4.75  ███████▌   │ ╌╌╌╌╌╌╌╌╌╌╌╌ horizon ╌╌╌╌╌╌╌╌╌╌╌╌
     67012.40  0.25   0.25  █▌         │ 3521.15    3.5   3.5 ██████
    ── spread 0.1 (0.0149 bps) ────────│── spread 0.05 (0.142 bps) ────────
     67012.30  0.5    0.5   ██▌        │ 3521.10   12    12   ████████████
     67012.20  2      2.5   █████      │ ╌╌╌╌╌╌╌╌╌╌╌╌ horizon ╌╌╌╌╌╌╌╌╌╌╌╌
     67011.00  0.125  2.625 █          │
     67010.25  8     10.625 ██████████ │
                                       │
          bid   size  total            │     bid   size total
                                       │
     symbol    state      age  msg/s  gaps  resyncs  bid  ask  spread bps
     SOL-USDT  SYNCING  2.3 s    412     2        2  delta 4711 is missing
     q quit  ? help  ←→ symbol  +/- depth  s single         5 levels a side
    """
    ) == drawn(THREE, 72, 22)


def test_ladders_of_one_picture_have_their_parts_at_the_same_lines() -> None:
    """Where there are no levels, there is the reason."""
    assert golden(
        """
     kucoin   link up   rtt 12 ms   LIVE 2 of 3   budget 40 of 2000   reconnects 0   sent 3
    ►BTC-USDT  LIVE    seq 1613277186234 │ ETH-USDT  LIVE    seq 1613277186234 │ SOL-USDT  SYNCING seq 1613277186234
     age 12 ms   412 msg/s   for 2 h     │ age 12 ms   412 msg/s   for 2 h     │ age 2.3 s   412 msg/s   for 2 h
     gaps 0   resyncs 0                  │ gaps 0   resyncs 0                  │ gaps 2   resyncs 2
     imbalance(5) +0.16 █████████░░░░░░░ │ imbalance(5) +0.55 ████████████░░░░ │
          ask   size  total              │     ask   size total                │
                                         │                                     │
     67020.00  2      7.75  ██████       │                                     │
     67014.10  1      5.75  ████         │                                     │
     67013.00  4.5    4.75  █████████    │ ╌╌╌╌╌╌╌╌╌╌╌╌╌ horizon ╌╌╌╌╌╌╌╌╌╌╌╌╌ │
     67012.40  0.25   0.25  ██           │ 3521.15    3.5   3.5 ███████▌       │          not LIVE: SYNCING
    ── spread 0.1 (0.0149 bps) ──────────│── spread 0.05 (0.142 bps) ──────────│        delta 4711 is missing
     67012.30  0.5    0.5   ███          │ 3521.10   12    12   ██████████████ │         no levels are shown
     67012.20  2      2.5   ██████       │ ╌╌╌╌╌╌╌╌╌╌╌╌╌ horizon ╌╌╌╌╌╌╌╌╌╌╌╌╌ │
     67011.00  0.125  2.625 █▌           │                                     │
     67010.25  8     10.625 ████████████ │                                     │
                                         │                                     │
          bid   size  total              │     bid   size total                │
                                         │                                     │
     q quit  ? help  ←→ symbol  +/- depth  s single                                                   5 levels a side
    """
    ) == drawn(THREE, 114, 20)


def test_a_narrow_and_short_terminal_without_unicode() -> None:
    """The venue goes, then counters; the levels of one book and the trouble of others stay."""
    assert golden(
        """
     link up   LIVE 2 of 3
    >BTC-USDT  LIVE  sequence 1613277186234
     age 12 ms   412 msg/s   LIVE for 2 h
     67013.0   4.5   4.75 =================
     67012.4   0.25  0.25 ====
    -- spread 0.1 (0.0149 bps) -------------
     67012.3   0.5   0.5  =====-
     67012.2   2     2.5  ===========
     2 more, not LIVE: SOL-USDT
     q quit  ? help  tab symbol  +/- depth
    """
    ) == drawn(THREE, 40, 10, glyphs=ASCII)


def test_a_tiny_terminal() -> None:
    """The best levels, and nothing that is wrong."""
    assert golden(
        """
    ►BTC-USDT  LIVE
     67012.4   0.25
    ── 0.1 (0.0149 bps)
     67012.3   0.5

    """
    ) == drawn(THREE, 20, 5)


def test_a_wide_ladder_has_its_sides_beside_each_other() -> None:
    """Bids to the left, asks to the right, each ending at its horizon."""
    lines = drawn([panel_of(view_of(BIDS[:1], ASKS[:2], partial=True))], 80, 12)

    headings, *body = lines[4:8]
    assert ["total", "size", "bid", "│", "ask", "size", "total"] == headings.split()
    assert [["67012.3", "67012.4"], ["67013.0"], []] == [
        [word for word in line.split() if word[:3] == "670"] for line in body
    ]
    assert [(False, False), (True, False), (False, True)] == [
        ("horizon" in left, "horizon" in right) for left, _, right in (line.partition("│") for line in body)
    ]


def test_the_horizon_is_drawn_only_where_a_side_ends() -> None:
    """Fewer levels chosen than are known: there are more behind the last one, on that side."""
    one = [panel_of(view_of(BIDS, ASKS[:1], partial=True))]
    horizons = [sum("horizon" in line for line in drawn(one, 50, 30, ViewState(depth=depth))) for depth in (1, 2, 3, 5)]

    assert [0, 1, 1, 2] == horizons


def test_the_chosen_symbol_is_always_among_the_ladders() -> None:
    """Whatever is chosen, of whatever many, it is drawn, and marked."""
    data = [panel_of(view_of(symbol=f"S{index}-USDT")) for index in range(9)]
    for focus in range(9):
        for single in (False, True):
            lines = drawn(data, 120, 40, ViewState(focus=focus, is_single=single))
            assert f"►S{focus}-USDT" in lines[1]


def test_symbols_without_a_line_are_counted_and_their_trouble_named() -> None:
    """What does not fit is not silently left out."""
    data = [panel_of(view_of(symbol=f"S{index}-USDT")) for index in range(9)]
    data[8] = panel_of(view_of(state=BookState.STALE, symbol="S8-USDT"))
    lines = drawn(data, 60, 14)

    assert " and 6 more, not LIVE: S8-USDT" == lines[-2]
    assert " and 6 more, all LIVE" == drawn([*data[:8], data[0]], 60, 14)[-2]


def test_no_symbols() -> None:
    """A feed of nothing is drawn, too."""
    assert " no symbols" == drawn([], 60, 10)[1]


def test_a_line_of_a_symbol_that_nothing_was_heard_of() -> None:
    """An empty book, an unknown age: none, not 0."""
    silent = panel_of(view_of([], [], symbol="NEW-USDT"), age_ms=None)

    (line,) = (line for line in drawn([THREE[0], silent], 110, 30, ViewState(is_single=True)) if "NEW-USDT" in line)
    assert ["NEW-USDT", "LIVE", "none", "412", "0", "0", "1613277186234", "none", "none", "none"] == line.split()


def test_help_names_every_key() -> None:
    """In place of the ladders, as far as it fits."""
    lines = drawn(THREE, 80, 24, ViewState(is_help=True))

    assert " Keys" == lines[1]
    for words in ("quit", "next and previous symbol", "levels a side (↑↓)", "side by side", "horizon"):
        assert any(words in line for line in lines[1:-1])


# --- the first line ---

DOWN = replace(LINK, connected=False, rtt_ms=None, reconnects=4)


@pytest.mark.parametrize(
    ("health", "width", "expected"),
    [
        (FeedHealth((), 0, 0, 0), 90, "kucoin   no link   LIVE 2 of 3   reconnects 0   sent 0"),
        (HEALTH, 90, "kucoin   link up   rtt 12 ms   LIVE 2 of 3   budget 40 of 2000   reconnects 0   sent 3"),
        (HEALTH, 40, "link up   LIVE 2 of 3"),
        (replace(HEALTH, links=()), 40, "no link   LIVE 2 of 3"),
        (replace(HEALTH, links=(DOWN,)), 60, "link DOWN   LIVE 2 of 3   budget 40 of 2000   reconnects 4"),
        (replace(HEALTH, links=(LINK, DOWN)), 50, "links 1 of 2 up   LIVE 2 of 3   budget 40 of 2000"),
    ],
)
def test_the_first_line_tells_how_the_feed_is(health: FeedHealth, width: int, expected: str) -> None:
    """Link and books are never left out; other parts are, where there is no room."""
    assert f" {expected}".ljust(width) == header(THREE, health, width, "kucoin", UNICODE).plain


@pytest.mark.parametrize(
    ("health", "loud"),
    [
        (HEALTH, ["LIVE 2 of 3"]),
        (replace(HEALTH, links=(LINK, DOWN)), ["links 1 of 2 up", "LIVE 2 of 3", "reconnects 4"]),
        (replace(HEALTH, budget_used=1700), ["LIVE 2 of 3", "budget 1700 of 2000"]),
    ],
)
def test_trouble_of_the_feed_stands_out(health: FeedHealth, loud: list[str]) -> None:
    """A lost link, a book that is not LIVE, reconnects, and a budget that is nearly used."""
    line = header(THREE, health, 200, "kucoin", UNICODE)
    coloured = [span for span in line.spans if "red" in str(span.style) or "yellow" in str(span.style)]

    assert loud == [line.plain[span.start : span.end] for span in coloured]


def test_health_over_all_links() -> None:
    """Links that are up, the slowest pong of those, and all reconnects."""
    slow = LinkHealth("2", connected=True, symbols=1, rtt_ms=80.0, reconnects=1)
    health = replace(HEALTH, links=(LINK, DOWN, slow))

    assert (2, 80.0, 5) == (health.links_up, health.rtt_ms, health.reconnects)
    assert replace(HEALTH, links=()).rtt_ms is None


# --- marks ---


def styles_of(text: Text, words: str) -> set[str]:
    """How a part of a picture is drawn, wherever it stands."""
    return {str(span.style) for span in text.spans if text.plain[span.start : span.end].strip() == words}


def test_changed_levels_are_marked_with_signs_and_colours() -> None:
    """A sign before the size tells whether it grew or shrank; bold in the first drawing, then not."""
    lit = {(Side.BID, Decimal("67012.2")): FRESH, (Side.ASK, Decimal(67013)): -1}
    for width in (50, 80):
        text = picture(THREE[:1], width, 20, flashes={"BTC-USDT": Flash(lit=lit)})

        assert {"bold yellow"} == styles_of(text, "+2")
        assert {"yellow"} == styles_of(text, "-4.5")
        assert {"bold", "dim"} == styles_of(text, "0.5"), "best size, and its total"


@pytest.mark.parametrize(("state", "style"), [("LIVE", "green"), ("SYNCING", "yellow"), ("FAILED", "red")])
def test_states_have_colours_and_words(state: str, style: str) -> None:
    """The word is there without colours; the colour says how bad it is."""
    text = picture([panel_of(view_of(state=BookState(state)))], 50, 20)

    assert f"bold {style}" in styles_of(text, state)


@pytest.mark.parametrize(("gaps", "style"), [(0, "dim"), (2, "bold red")])
def test_gaps_stand_out(gaps: int, style: str) -> None:
    """And nothing is loud without a reason."""
    text = picture([panel_of(gaps=gaps)], 50, 20)

    assert {style} == styles_of(text, "gaps") == styles_of(text, "resyncs")


@pytest.mark.parametrize(
    ("age_ms", "words", "style"), [(12, "12 ms", ""), (2300, "2.3 s", "yellow"), (None, "none", "yellow")]
)
def test_a_great_age_stands_out(age_ms: int | None, words: str, style: str) -> None:
    """As does one that is not known."""
    text = picture([panel_of(age_ms=age_ms)], 50, 20)

    assert f" age {words} " in text.plain
    assert bool(style) == (style in styles_of(text, "age"))


# --- whatever the feed ---

levels = st.lists(
    st.tuples(
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-9)),
        st.integers(1, 2**63 - 1).map(lambda raw: Decimal(raw).scaleb(-(raw % 12))),
    ),
    max_size=6,
)
panels = st.builds(
    lambda bids, asks, state, reason, partial, gaps: panel_of(
        replace(
            view_of([], [], state, reason=reason, partial=partial),
            bids=tuple(Level(*row) for row in bids),
            asks=tuple(Level(*row) for row in asks),
        ),
        gaps=gaps,
    ),
    levels,
    levels,
    st.sampled_from(BookState),
    st.sampled_from(["so", "ünknown \x1b[2J symbol\nnamed 元", "very " * 40 + "long"]),
    st.booleans(),
    st.integers(0, 10**7),
)
states = st.builds(ViewState, focus=st.integers(0, 5), depth=st.sampled_from([None, 1, 3]), is_single=st.booleans())


@given(
    st.lists(panels, max_size=6), states, st.integers(20, 180), st.integers(5, 40), st.sampled_from([UNICODE, ASCII])
)
def test_every_picture_fits_its_terminal(
    data: list[PanelData], state: ViewState, width: int, height: int, glyphs: Glyphs
) -> None:
    """Exactly as many lines as there are, none too long, so that nothing wraps, scrolls or flickers; no escapes."""
    text = picture(data, width, height, state, glyphs=glyphs)
    lines = text.split("\n", allow_blank=True)

    assert height == len(lines)
    assert max(line.cell_len for line in lines) <= width
    assert "\x1b" not in text.plain
    assert text.plain.isascii() or glyphs is UNICODE


@pytest.mark.parametrize("width", range(1, 20))
def test_a_terminal_too_narrow_for_any_picture(width: int) -> None:
    """Somebody is dragging its edge: what is drawn says little, but it is drawn."""
    assert 10 == len(picture(THREE[2:], width, 10).split("\n", allow_blank=True))


@given(st.lists(panels, min_size=1, max_size=3), st.integers(40, 120), st.integers(10, 40))
def test_no_level_is_shown_unless_live(data: list[PanelData], width: int, height: int) -> None:
    """Even if a view had some: the state decides."""
    stopped = [
        replace(one, view=replace(one.view, state=BookState.STALE, reason="so", bids=THREE[0].view.bids))
        for one in data
    ]

    assert not any("67012" in line for line in drawn(stopped, width, height))


def test_a_user_context_does_not_round_what_is_shown() -> None:
    """Sums and mid are exact, whatever the caller's decimal context is."""
    with localcontext(Context(prec=3)):
        lines = drawn(THREE, 114, 20)

    assert drawn(THREE, 114, 20) == lines


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (172_799_999, "47 h"),
        (172_800_000, "2 d"),
    ],
)
def test_durations_are_short(ms: int, expected: str) -> None:
    """A unit that gives few digits; never more than has passed."""
    assert expected == duration(ms)


@pytest.mark.parametrize(
    ("per_s", "expected"), [(0.0, "0.0"), (0.44, "0.4"), (9.94, "9.9"), (9.96, "10"), (412.3, "412")]
)
def test_rates_are_short(per_s: float, expected: str) -> None:
    """A decimal only where it matters."""
    assert expected == rate(per_s)
