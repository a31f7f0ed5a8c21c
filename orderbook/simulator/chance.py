"""Chance by name: the same numbers for the same name, on every machine. Nothing secret is drawn from them."""

from __future__ import annotations

import random


def named(name: str) -> random.Random:
    """The random numbers of a name."""
    return random.Random(name)  # noqa: S311 - a simulation must repeat itself, and its keys open nothing but itself


def stream(seed: int | str, name: str) -> random.Random:
    """The sub-stream of a seed that has this name."""
    return named(f"{seed}/{name}")
