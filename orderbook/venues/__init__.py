"""One module per wire format: it describes requests as data and decodes bytes; it does no I/O."""

from __future__ import annotations

from typing import Final

from orderbook.errors import UnknownVenue, shown
from orderbook.venues.base import Venue
from orderbook.venues.kucoin import KuCoin

VENUES: Final[dict[str, Venue]] = {venue.name: venue for venue in (KuCoin(),)}
"""Every venue by its name."""


def venue_named(name: str) -> Venue:
    """Look a venue up.

    Raises:
        UnknownVenue: With the list of known names.
    """
    try:
        return VENUES[name]
    except (KeyError, TypeError):
        raise UnknownVenue(f"unknown venue {shown(name)}; known: {', '.join(sorted(VENUES))}") from None
