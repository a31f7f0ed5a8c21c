"""What a fuzzing target is, and what it finds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

SYMBOL: Final = "BCHSV-USDT"
"""Whose books are made; the busiest symbol of the bundled capture."""


class Disagreement(Exception):
    """Something that must not be.

    Attributes:
        law: What was broken, in a word: ``accept``, ``value``, ``events``, ``raised``, ``slow``, ``memory``, or
            ``crash`` and ``hang`` of a whole process.
        detail: What was found.
    """

    def __init__(self, law: str, detail: str) -> None:
        super().__init__(f"{law}: {detail}")
        self.law = law
        self.detail = detail


class Taken(NamedTuple):
    """What became of one input.

    Attributes:
        outcome: ``accepted`` or ``refused``.
        feature: In a few words, how; there are not many different ones.
        spent_ns: CPU time of the code under test.
        kib: What that was spent on, in KiB begun: the input, and earlier ones that had been put off until now.
    """

    outcome: str
    feature: str
    spent_ns: int
    kib: int

    @property
    def effort(self) -> float:
        """CPU time for a KiB, in ns."""
        return self.spent_ns / self.kib


class Target(Protocol):
    """Something that is given inputs. What becomes of one depends on those since ``begin`` and on nothing else."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def scenarios(self) -> int:
        """How many ways there are to begin."""

    def seeds(self) -> Sequence[bytes]:
        """Inputs to start from; real ones."""

    def written(self, rng: random.Random) -> bytes:
        """A new input by the rules of the format, more or less."""

    def mended(self, data: bytes, rng: random.Random) -> bytes:
        """The input with what no mutation would get right put in order."""

    def words(self) -> Sequence[bytes]:
        """What is worth putting into an input."""

    def begin(self, scenario: int) -> None:
        """Start anew."""

    def take(self, data: bytes) -> Taken:
        """Give it one input. Raises ``Disagreement``, and nothing else."""

    def close(self) -> None:
        """The last input was given: look at what was left for the end. Raises ``Disagreement``."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to be had from these inputs."""


def rendered(data: bytes, sequence: int) -> bytes:
    """With ``@0`` to ``@9`` replaced by numbers around ``sequence``: ``@4`` is the next one.

    An input can be kept, and still continues whatever book it is given to.
    """
    first, *others = data.split(b"@")
    if not others:
        return data
    numbers = _numbers(sequence)
    return first + b"".join([numbers.get(part[:1], b"@" + part[:1]) + part[1:] for part in others])


@lru_cache(1)
def _numbers(sequence: int) -> dict[bytes, bytes]:
    return {b"%d" % number: b"%d" % (sequence + number - 3) for number in range(10)}


def kib_of(data: bytes | str) -> int:
    """KiB begun."""
    return max(1, -(-len(data) // 1024))


def feature_of(reason: str, detail: str) -> str:
    """A refusal in a few words: those of its detail that do not repeat the input."""
    return " ".join([reason, *(word for word in detail.split(None, 5)[:5] if word.isalpha() and len(word) < 12)][:4])


def differing(expected: object, actual: object) -> str:
    """Two values in a line, not at any length."""
    return f"expected {_short(expected)}, got {_short(actual)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:500]} ... {text[-80:]}"
