"""How many examples a law takes that is more expensive, or finds its counter-examples sooner, than others."""

from __future__ import annotations

from hypothesis import settings


def share(percent: int) -> int:
    """So many percent of the examples of the profile.

    By default as many in a hundred; a quarter of that in `brief`, and fifty times that in `long`.

    Args:
        percent: Of what other laws take; above 0.
    """
    return max(1, settings().max_examples * percent // 100)
