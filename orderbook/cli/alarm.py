"""``--alert``: conditions on the books that a command watches, and what becomes of those that come to hold."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import click

from orderbook.cli.terminal import complain
from orderbook.condition_text import ConditionError, parse_condition
from orderbook.conditions import Condition
from orderbook.feed.alerts import Alert
from orderbook.feed.events import ConditionFailed, FeedEvent
from orderbook.feed.feed import Feed
from orderbook.ui.alerts import Notice

FRESH_NS: Final = 2_000_000_000
"""For so long an alert stands out."""
KEPT: Final = 100
"""Alerts that are kept for the picture."""


class Rule(NamedTuple):
    """One ``--alert``."""

    symbol: str | None
    """Whose book; ``None``: each."""
    condition: Condition


def checked_rules(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[Rule, ...]:
    """Conditions, each with the symbol before its colon, if there is one."""
    rules = []
    for value in values:
        symbol, _, text = value.rpartition(":")
        try:
            rules.append(Rule(symbol.strip() or None, parse_condition(text.strip())))
        except ConditionError as error:
            raise click.BadParameter(str(error)) from None
    return tuple(rules)


def alert_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``rules``, ``is_silent`` and ``is_last``."""
    for option in (
        click.option(
            "--exit-on-alert",
            "is_last",
            is_flag=True,
            help="End with the first alert, with exit code 0; without one, with 1.",
        ),
        click.option("--no-bell", "is_silent", is_flag=True, help="Do not ring the terminal's bell at alerts."),
        click.option(
            "--alert",
            "rules",
            multiple=True,
            callback=checked_rules,
            metavar="'[SYMBOL:] CONDITION'",
            help="Tell when a condition comes to hold, of one book or of each; may be given several times.",
        ),
    ):
        command = option(command)
    return command


def each_rule(rules: Sequence[Rule], symbols: Sequence[str]) -> list[tuple[str, Condition]]:
    """All conditions, each with its symbol.

    Raises:
        click.UsageError: One is of a symbol that is not watched.
    """
    for rule in rules:
        if rule.symbol is not None and rule.symbol not in symbols:
            raise click.UsageError(f"--alert is of {rule.symbol!a:.40}, which is not watched: name it as a SYMBOL, too")
    return [(symbol, rule.condition) for rule in rules for symbol in symbols if rule.symbol in (None, symbol)]


class Alarm:
    """Hears alerts, and keeps the last ones.

    Args:
        rules: Symbols with their conditions.
        wall_ns: The time, nanoseconds since 1970.

    Attributes:
        fired: Set with the first alert.
        count: Alerts so far.
        problem_count: How often a condition could not be told.
        last: The last alert.
        tell: Called with each alert and its time, if somebody wants them at once.
    """

    def __init__(self, rules: Sequence[tuple[str, Condition]], *, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._rules = rules
        self._wall_ns = wall_ns
        self._kept: deque[tuple[int, str, str, bool]] = deque(maxlen=KEPT)
        self._is_bell_due = False
        self.fired = asyncio.Event()
        self.count = self.problem_count = 0
        self.last: Alert | None = None
        self.tell: Callable[[Alert, int], None] | None = None

    def begin(self, feed: Feed) -> None:
        """From now on; the feed is open."""
        for symbol, condition in self._rules:
            feed.on_alert(symbol, condition, self.hear)

    def hear(self, alert: Alert) -> None:
        """One more alert, and those that were skipped before it."""
        now_ns = self._wall_ns()
        self.count += 1 + alert.skipped
        self.last = alert
        self._keep(now_ns, alert.symbol, told_alert(alert), is_problem=False)
        self._is_bell_due = True
        if self.tell is not None:
            self.tell(alert, now_ns)
        self.fired.set()

    def hear_event(self, told: FeedEvent) -> None:
        """Something else happened to the feed: a condition that cannot be told is worth a word."""
        event = told.event
        if isinstance(event, ConditionFailed):
            self.problem_count += 1
            words = f"{event.condition} cannot be told: {event.problem}"
            self._keep(self._wall_ns(), event.symbol, words, is_problem=True)
            if self.tell is not None:
                complain(f"{event.symbol}: {words}", "warning")

    def _keep(self, now_ns: int, symbol: str, words: str, *, is_problem: bool) -> None:
        self._kept.appendleft((now_ns, symbol, words, is_problem))

    def take_bell(self) -> bool:
        """Whether there was an alert since this was last asked."""
        is_due, self._is_bell_due = self._is_bell_due, False
        return is_due

    @property
    def watched(self) -> list[str]:
        """What is watched for, in words."""
        return [f"{symbol}: {condition}" for symbol, condition in self._rules]

    def notices(self, count: int) -> list[Notice]:
        """The last ones, newest first."""
        now_ns = self._wall_ns()
        return [
            Notice(_clock_time(at_ns), symbol, words, is_fresh=now_ns - at_ns < FRESH_NS, is_problem=is_problem)
            for at_ns, symbol, words, is_problem in list(self._kept)[:count]
        ]


def _clock_time(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9).astimezone().strftime("%H:%M:%S")


def told_alert(alert: Alert) -> str:
    """Condition and number of an alert."""
    value = "" if alert.value is None else f"  value {alert.value:.10g}"
    why = "" if alert.view.is_live else f"  {alert.view.reason}"
    return f"{alert.condition}{value}{why}"


def alert_to_json(alert: Alert, ts: int) -> dict[str, object]:
    """One alert for programs; ``ts`` is its time in nanoseconds since 1970."""
    view = alert.view
    return {
        "ts": ts,
        "symbol": alert.symbol,
        "alert": alert.condition,
        "value": alert.value,
        "state": view.state.value,
        "reason": view.reason,
        "sequence": view.sequence,
        "epoch": view.epoch,
        "skipped": alert.skipped,
    }
