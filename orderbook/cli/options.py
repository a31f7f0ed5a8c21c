"""Options that commands share, and checks of the values they take."""

from __future__ import annotations

import math

import click

from orderbook.errors import UnknownVenue, UsageError
from orderbook.venues import VENUES, venue_named

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)


def checked_venue(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """The name of a venue that there is a module for."""
    try:
        return venue_named(value).name
    except UnknownVenue as error:
        raise click.BadParameter(str(error)) from None


def checked_symbols(ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Texts that can be symbols of the venue of the same command (kucoin where it has no such option)."""
    venue = VENUES[ctx.params.get("venue", "kucoin")]
    for value in values:
        try:
            venue.check_symbol(value)
        except UsageError as error:
            raise click.BadParameter(str(error)) from None
    return values


def checked_seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float:
    """A length of time; without one, for ever."""
    if value is None:
        return math.inf
    seconds = _finite(value)
    if seconds is None or seconds <= 0:
        raise click.BadParameter(f"{value!a} is not a positive number of seconds")
    return seconds


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
