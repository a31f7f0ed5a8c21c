"""The books of a feed on a terminal, until somebody has seen enough; or a line a second where nobody looks."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from math import inf, isinf
from typing import TYPE_CHECKING, Final, Literal

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from orderbook.cli.alarm import Alarm, alert_to_json, told_alert
from orderbook.cli.live import LINE_S
from orderbook.cli.tables import glyphs_of
from orderbook.cli.terminal import can_draw, print_json, stdout_console
from orderbook.feed.alerts import Alert
from orderbook.feed.health import FeedHealth
from orderbook.ui.alerts import alert_lines, room_for
from orderbook.ui.controls import ViewState
from orderbook.ui.dashboard import dashboard, layout
from orderbook.ui.flash import Flash
from orderbook.ui.keys import keys
from orderbook.ui.panels import PanelData
from orderbook.ui.told import IMBALANCE_LEVELS, to_json, told

if TYPE_CHECKING:
    from prompt_toolkit.input import Input

FRAME_S: Final = 0.1
"""From one drawing to the next: ten a second are as many as an eye can use."""
SHARE_MAX: Final = 0.1
"""Of the event loop's time, for drawing; where it takes long (a slow machine, a slow line), it is done less often."""


class Screen:
    """Shows what a feed has, until it is told to stop.

    Args:
        panels: All symbols as they are now, in order. May look at ``levels``, so that it makes views no deeper than
            they will be seen.
        health: The feed as it is now.
        venue: Its name.
        form: ``"json"``: a JSON object a symbol and second, never a picture.
        to_stderr: Lines go to stderr, and there is no picture.
        console: Where to draw; by default stdout, if it is a terminal. One given is drawn to.
        source: Where keys come from; by default the terminal at stdin.
        wall_ns: The time for JSON, nanoseconds since 1970.
        alarm: Whose alerts are shown; lines tell them at once.
        has_bell: In a picture, an alert rings the terminal's bell; several since the last picture ring it once.
    """

    def __init__(
        self,
        panels: Callable[[], Sequence[PanelData]],
        health: Callable[[], FeedHealth],
        *,
        venue: str,
        form: Literal["table", "json"] = "table",
        to_stderr: bool = False,
        console: Console | None = None,
        source: Input | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        alarm: Alarm | None = None,
        has_bell: bool = True,
    ) -> None:
        self._panels = panels
        self._health = health
        self._venue = venue
        self._form = form
        self._to_stderr = to_stderr
        self._drawn = form == "table" and not to_stderr and (console is not None or can_draw())
        self._console = console or stdout_console()
        self._glyphs = glyphs_of(self._console)
        self._source = source
        self._wall_ns = wall_ns
        self._state = ViewState()
        self._flashes: dict[str, Flash] = {}
        self._alarm = alarm
        self._has_bell = has_bell
        if alarm is not None and not self._drawn:
            alarm.tell = self._say

    @property
    def is_drawn(self) -> bool:
        """Whether it is a picture; else it is lines."""
        return self._drawn

    @property
    def levels(self) -> int:
        """Levels a side that the next picture can use."""
        return max(self._console.height, IMBALANCE_LEVELS) if self._drawn else IMBALANCE_LEVELS

    async def run(self, seconds: float = inf) -> None:
        """Show, again and again, until the key for it (``q``, Ctrl-C) was pressed or the time is over.

        The terminal is left as it was found, when cancelled or when ``panels`` raises, too. Each look costs the event
        loop a few ms.

        Args:
            seconds: At most so long, but one look at least; infinite: without an end.
        """
        limit = asyncio.timeout(None if isinf(seconds) else seconds)
        try:
            async with limit:
                await (self._draw() if self._drawn else self._tell())
        except TimeoutError:
            # Somebody else's time-out is no end.
            if not limit.expired():
                raise

    # -- on a terminal --

    async def _draw(self) -> None:
        try:
            async with keys(self._source) as pressed:
                with Live(console=self._console, screen=True, auto_refresh=False) as live:
                    await self._redraw(live, pressed)
        except OSError as error:
            # The terminal is gone: nobody looks any more.
            if error.errno != errno.EIO:
                raise

    async def _redraw(self, live: Live, pressed: AsyncIterator[str]) -> None:
        loop = asyncio.get_running_loop()
        while not self._state.is_quit:
            began = loop.time()
            live.update(self._picture(), refresh=True)
            if self._alarm is not None and self._alarm.take_bell() and self._has_bell:
                self._console.bell()
            took = loop.time() - began
            await self._obey(pressed, began + max(FRAME_S, took / SHARE_MAX))

    async def _obey(self, pressed: AsyncIterator[str], until: float) -> None:
        """Follow keys until it is time to draw, or to leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                async for key in pressed:
                    self._state = self._state.press(key)
                    if self._state.is_quit:
                        return
                # No key will ever come: the terminal is gone.
                self._state = self._state.press("q")

    def _picture(self) -> Text:
        width, height = self._console.size
        data = self._panels()
        alerts = self._alerts(width, height)
        plan = layout(len(data), self._state, width, height - len(alerts))
        self._state = self._state.seen(len(data), plan.fits)
        drawn = [data[index].view for index in plan.shown]
        self._flashes = {view.symbol: self._flashes.get(view.symbol, Flash()).after(view) for view in drawn}
        return dashboard(
            data,
            self._health(),
            self._state,
            width,
            height,
            venue=self._venue,
            flashes=self._flashes,
            alerts=alerts,
            glyphs=self._glyphs,
        )

    def _alerts(self, width: int, height: int) -> list[Text]:
        """The last alerts; no line where nothing is watched for."""
        if self._alarm is None:
            return []
        room = room_for(height)
        alarm = self._alarm
        return alert_lines(
            alarm.notices(room),
            alarm.watched,
            width,
            room,
            self._glyphs,
            count=alarm.count,
            problem_count=alarm.problem_count,
        )

    # -- elsewhere --

    async def _tell(self) -> None:
        while True:
            for one in self._panels():
                if self._form == "json":
                    print_json(to_json(one, self._wall_ns()))
                else:
                    click.echo(told(one), err=self._to_stderr)
            await asyncio.sleep(LINE_S)

    def _say(self, alert: Alert, ts: int) -> None:
        """An alert, when it happens."""
        if self._form == "json":
            print_json(alert_to_json(alert, ts))
        else:
            click.echo(f"{alert.symbol} ALERT  {told_alert(alert)}", err=self._to_stderr)
