"""``orderbook demo``: watch books being kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from orderbook.cli import bundled
from orderbook.cli.options import checked_seconds, checked_speed, format_option
from orderbook.cli.player import Pace, play
from orderbook.cli.tables import glyphs_of, report_table
from orderbook.cli.terminal import Timing, can_draw, print_json, show, stdout_console
from orderbook.sync import BookSync
from orderbook.types import BookState
from orderbook.ui.ladder import ladder
from orderbook.ui.numbers import plain
from snapshots.checks import Tally
from snapshots.replay import Replay
from snapshots.report import SymbolReport

SPEED_ON_TERMINAL: Final = 1.0
SPEED_ELSEWHERE: Final = 3.0
FRAME_S: Final = 0.1
LINE_S: Final = 1.0
LEVELS: Final = 200
LINE_COUNTERS: Final = frozenset({"books LIVE", "frames", "gaps", "resyncs", "tickers equal", "tickers bad"})

EPILOG = """\b
Examples:
  orderbook demo                               as it was recorded, for 30 seconds
  orderbook demo --symbol FET-BTC --speed 5
  orderbook demo --speed max --format json | tail -n 1

In this version the demo plays a real recording that comes with the library. "Truth" is what KuCoin itself published in
the same recording: its best bid and ask, which every book is compared with at exactly the same sequence. The exit code
is 0 if there were such comparisons and all came out equal, else 1.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--speed",
    callback=checked_speed,
    metavar="X",
    help="Times as fast as recorded; 0 or max: as fast as possible. Default: 1 on a terminal, else 3 (about 10 s).",
)
@click.option("--symbol", default=bundled.BUSIEST, show_default=True, metavar="SYMBOL", help="Whose ladder to show.")
@click.option("--levels", type=click.IntRange(1, LEVELS), default=LEVELS, help="At most so many levels a side.")
@click.option("--seconds", callback=checked_seconds, metavar="N", help="Stop after so many seconds.")
@format_option
@click.pass_context
def demo(ctx: click.Context, *, speed: float | None, symbol: str, levels: int, seconds: float, form: str) -> None:
    """Watch local books being kept from real KuCoin traffic.

    On a terminal: a live ladder. Elsewhere: a line about once a second. With --format json these lines go to stderr,
    and stdout is one line: a JSON object.
    """
    timing = ctx.ensure_object(Timing)
    drawn = form == "table" and can_draw()
    if speed is None:
        speed = SPEED_ON_TERMINAL if drawn else SPEED_ELSEWHERE
    show_run = _Demo(symbol, levels, speed)
    with show_run.drawn() if drawn else show_run.told(err=form == "json") as look:
        pace = Pace(speed, FRAME_S if drawn else LINE_S, seconds)
        position = play(show_run.records, show_run.run.feed, look, pace, timing)
    ctx.exit(0 if show_run.conclude(position, form) else 1)


class _Demo:
    """The recording, the books kept from it, and how they are shown."""

    def __init__(self, symbol: str, levels: int, speed: float) -> None:
        self.records = list(bundled.read_bundled())
        self.run = Replay(bundled.VENUE)
        self._symbol = symbol
        self._levels = levels
        self._pace = "as fast as possible" if math.isinf(speed) else f"played at {speed:g}x"
        stamps = [record.ts for record in self.records if record.ts is not None]
        self._length = (stamps[-1] - stamps[0]) / 1e9
        guesses = {self.run.venue.guess_symbol(record.raw.decode("latin-1")) for record in self.records}
        self._known = sorted(guess for guess in guesses if guess is not None)
        if symbol not in self._known:
            raise click.BadParameter(
                f"{symbol} is not in the recording; it has {', '.join(self._known)}", param_hint="'--symbol'"
            )

    # -- while it runs --

    @contextmanager
    def drawn(self) -> Iterator[Callable[[float], None]]:
        """A live ladder that fills the terminal."""
        console = stdout_console()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda position: live.update(self._picture(console, position), refresh=True)

    def _picture(self, console: Console, position: float) -> Text:
        sync = self._sync(self._symbol)
        others = [other.book.exact.view(1) for symbol, other in sorted(self.run.books.items()) if symbol != sync.symbol]
        width, height = console.size
        return ladder(
            sync.book.exact.view(min(self._levels, height)),
            self._counters(),
            width,
            height,
            title=f"{bundled.TITLE}, {self._pace}",
            aside=f"{position:.1f} of {self._length:.1f} s",
            others=others,
            glyphs=glyphs_of(console),
        )

    def _counters(self) -> dict[str, int]:
        """Over all books."""
        counters = [sync.counters for sync in self.run.books.values()]
        tickers = self._tickers()
        return {
            "books LIVE": self._live_count,
            "frames": sum(one.frames for one in counters),
            "applied": sum(one.applied for one in counters),
            "duplicates": sum(one.duplicates for one in counters),
            "rejected": sum(one.rejected_count for one in counters),
            "gaps": sum(one.gaps for one in counters),
            "resyncs": sum(one.resyncs for one in counters),
            "tickers equal": tickers.ok,
            "tickers bad": tickers.bad,
        }

    @property
    def _live_count(self) -> int:
        return sum(sync.book.is_live for sync in self.run.books.values())

    @contextmanager
    def told(self, *, err: bool) -> Iterator[Callable[[float], None]]:
        """One line at each look."""
        click.echo(f"orderbook demo: {bundled.TITLE}, {self._pace}", err=err)
        yield lambda position: click.echo(self._line(position), err=err)

    def _line(self, position: float) -> str:
        book = self._sync(self._symbol).book
        view = book.exact.view(1)
        if view.is_live:
            (bid, *_), (ask, *_) = (view.bids or (None,), view.asks or (None,))
            touch = "  ".join(
                f"{name} " + ("none" if level is None else f"{plain(level.price)} x {plain(level.size)}")
                for name, level in (("bid", bid), ("ask", ask))
            )
        else:
            touch = view.reason
        counters = "  ".join(f"{label} {count}" for label, count in self._counters().items() if label in LINE_COUNTERS)
        return f"{position:5.1f} s  {view.symbol} {view.state.value}  {touch}  {counters}"

    def _sync(self, symbol: str) -> BookSync:
        """The book of a symbol; before its first frame, one that says so."""
        return self.run.books.get(symbol) or BookSync(bundled.VENUE, symbol)

    def _tickers(self) -> Tally:
        tallies = [self.run.checks(symbol)["ticker"] for symbol in self.run.books]
        return Tally(sum(t.ok for t in tallies), sum(t.bad for t in tallies), sum(t.skipped for t in tallies))

    # -- at the end --

    def conclude(self, position: float, form: str) -> bool:
        """Print the summary; whether there were comparisons and all came out equal."""
        reports = self.run.reports(capture=bundled.NAME)
        tickers = self._tickers()
        equal = tickers.ok > 0 and not any(report.bad for report in reports)
        if form == "json":
            print_json(self._summary(reports, tickers, position, equal=equal))
            return equal
        show(report_table(reports, stdout_console()))
        click.echo(f"{tickers.ok} of {tickers.ok + tickers.bad} ticker checks equal: best bid and ask, price and size,")
        click.echo("as KuCoin sent them in this recording, against our book at that sequence.")
        click.echo(f"{tickers.skipped} more were not compared: the book was not LIVE at their sequence.")
        for report in reports:
            for difference in report.differences:
                click.echo(f"{report.symbol}: {difference}")
        return equal

    def _summary(
        self, reports: Sequence[SymbolReport], tickers: Tally, position: float, *, equal: bool
    ) -> dict[str, object]:
        names = ("frames", "applied", "duplicates", "rejected", "gaps", "resyncs", "crossed")
        return {
            **{name: sum(getattr(report, name) for report in reports) for name in names},
            "equal_to_truth": equal,
            "truth": "best bids and asks that the venue published in the recording",
            "ticker": tickers.to_json(),
            "books": {"live": sum(report.state is BookState.LIVE for report in reports), "all": len(reports)},
            "recorded_seconds": round(position, 3),
            "capture": bundled.NAME,
        }
