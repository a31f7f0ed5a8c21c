"""``orderbook replay``: captures through the production path."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from orderbook.cli.options import checked_symbols, checked_venue, format_option
from orderbook.cli.tables import ladders, report_table, unchecked
from orderbook.cli.terminal import Timing, complain, is_terminal, print_json, show, stdout_console
from orderbook.venues import VENUES
from snapshots.capture import CaptureError, CaptureReader, Record, read_capture
from snapshots.replay import Replay
from snapshots.report import LEVELS, SymbolReport
from snapshots.sniff import looks_like

TITLES: Final = {"kucoin": "KuCoin"}
"""How venues write their names."""

SNIFFED_RECORDS: Final = 1000
"""If none of so many records is the venue's, none is expected to follow."""
PROBLEMS_SHOWN: Final = 20
SYMBOLS_SHOWN: Final = 20
PROGRESS_AFTER_S: Final = 0.5
PROGRESS_EVERY_S: Final = 0.1
_LOOK_EVERY_RECORDS: Final = 64

EPILOG = """\b
Examples:
  orderbook replay session.jsonl.gz
  orderbook replay session.jsonl.gz --symbol BTC-USDT --levels 20
  orderbook replay *.jsonl.gz --format json | jq -c '[.symbol, .state, .checks]'

\b
Checks:
  ticker    the venue's own best bid and ask, price and size, against the book at
            exactly that sequence; skipped when older than the snapshot, or when
            no book was LIVE at that sequence
  snapshot  later snapshots in the capture, level by level

\b
Exit code:
  0  everything was read (or all up to where a capture stops: a warning says where)
     and no check came out bad
  1  a check came out bad; or a line, a block or a file could not be read; or a
     capture holds nothing to replay. Whatever could be replayed is printed.
"""


@click.command(epilog=EPILOG)
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@click.option(
    "--venue",
    callback=checked_venue,
    default="kucoin",
    show_default=True,
    is_eager=True,
    metavar="NAME",
    help="Whose traffic it is.",
)
@click.option(
    "--symbol",
    "symbols",
    callback=checked_symbols,
    multiple=True,
    metavar="SYMBOL",
    help="Only this symbol; may be given several times.",
)
@click.option(
    "--levels", type=click.IntRange(1, 100_000), default=LEVELS, show_default=True, help="Best levels shown a side."
)
@format_option
@click.pass_context
def replay(
    ctx: click.Context, captures: tuple[str, ...], *, venue: str, symbols: tuple[str, ...], levels: int, form: str
) -> None:
    """Run recorded traffic through the very same code that runs live.

    For each symbol: its state at the end, what was counted, how the book compares with whatever else the capture holds,
    and its best levels. With --format json, one object for each symbol, as one line. The end of a capture changes no
    state; of a book that is not LIVE, the last known levels are shown.
    """
    timing = ctx.ensure_object(Timing)
    job = _Job(venue, frozenset(symbols) or None, levels, form, timing)
    for capture in captures:
        job.run(capture)
    job.complain_of_missing(symbols)
    ctx.exit(1 if job.failed else 0)


class _Job:
    """All captures of one command.

    Attributes:
        failed: Whether the exit code is 1.
    """

    def __init__(self, venue: str, symbols: frozenset[str] | None, levels: int, form: str, timing: Timing) -> None:
        self.failed = False
        self._venue = venue
        self._symbols = symbols
        self._levels = levels
        self._form = form
        self._timing = timing
        self._seen: set[str] = set()

    def run(self, capture: str) -> None:
        """Replay one capture and print what came of it."""
        try:
            with read_capture(capture) as reader:
                run = Replay(self._venue, symbols=self._symbols)
                head = self._feed(run, reader)
        except CaptureError as error:
            self._fail(str(error))
            return
        if not run.seen:
            self._complain_of_problems(reader)
            self._fail(f"{reader.name}: {self._nothing_in(run, head)}")
            return
        self._seen |= run.seen.keys()
        self._print(run.reports(capture=capture, levels=self._levels))
        self._complain_of_problems(reader)

    def _feed(self, run: Replay, reader: CaptureReader) -> list[Record]:
        """Replay to the end, unless it is plain that this is not the venue's. Returns the first records."""
        head = []
        with closing(with_progress(reader, self._timing)) as records:
            for record in islice(records, SNIFFED_RECORDS):
                head.append(record)
                run.feed(record)
            if run.recognised:
                for record in records:
                    run.feed(record)
        return head

    def _print(self, reports: Sequence[SymbolReport]) -> None:
        if self._form == "json":
            for report in reports:
                print_json(report.to_json())
        elif reports:
            console = stdout_console()
            show(report_table(reports, console), unchecked(reports), ladders(reports, console))
        for report in reports:
            if report.bad:
                self._fail(f"{report.capture}: {report.symbol}: checks that came out bad: {report.bad}")
                for difference in report.differences:
                    complain(f"{report.capture}: {report.symbol}: {difference}")

    def _nothing_in(self, run: Replay, head: Sequence[Record]) -> str:
        title = TITLES.get(self._venue, self._venue)
        if not run.record_count:
            return "holds no whole record; record again, or check where it was copied from"
        if run.recognised:
            return f"holds {title} messages, but no level-2 deltas and no snapshots; record /market/level2 as well"
        other = looks_like(head)
        guess = f"; looks like {other}" if other and other != title else ""
        return f"holds no {title} messages{guess}; replay takes captures of: {', '.join(sorted(VENUES))}"

    def _complain_of_problems(self, reader: CaptureReader) -> None:
        for problem in reader.problems[:PROBLEMS_SHOWN]:
            if problem.kind == "truncated":
                complain(f"{reader.name}: {problem.text}; the results are those up to there", "warning")
            else:
                self._fail(f"{reader.name}: {problem.text}")
        if reader.problem_count > PROBLEMS_SHOWN:
            self._fail(f"{reader.name}: and {reader.problem_count - PROBLEMS_SHOWN} more such places")

    def complain_of_missing(self, symbols: Sequence[str]) -> None:
        """Symbols that were asked for and stand in no capture."""
        missing = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._seen]
        if missing and self._seen:
            known = sorted(self._seen)
            more = f" and {len(known) - SYMBOLS_SHOWN} more" if len(known) > SYMBOLS_SHOWN else ""
            self._fail(f"no {', '.join(missing)} was replayed; there is {', '.join(known[:SYMBOLS_SHOWN])}{more}")

    def _fail(self, message: str) -> None:
        self.failed = True
        complain(message)


def with_progress(reader: CaptureReader, timing: Timing) -> Generator[Record]:
    """The records, with a bar on stderr when it takes long and somebody looks."""
    if not is_terminal(sys.stderr):
        yield from reader
        return
    started = drawn = timing.now()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        auto_refresh=False,
        get_time=timing.now,
    )
    task = bar.add_task("replaying", total=reader.compressed_size)
    shown = False
    try:
        for count, record in enumerate(reader):
            if count % _LOOK_EVERY_RECORDS == 0 and (now := timing.now()) - drawn >= PROGRESS_EVERY_S:
                drawn = now
                if not shown and now - started >= PROGRESS_AFTER_S:
                    shown = True
                    bar.start()
                bar.update(task, completed=reader.compressed_offset, refresh=shown)
            yield record
    finally:
        if shown:
            bar.stop()
