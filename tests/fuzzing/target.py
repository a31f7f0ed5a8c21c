"""What a fuzzing target is, and what it finds."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

SYMBOL: Final = "BCHSV-USDT"
"""Whose books are made; the busiest symbol of the bundled capture."""

_NEXT: Final = re.compile(rb"@([0-9])")


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
    """

    outcome: str
    feature: str
    spent_ns: int


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
    if b"@" not in data:
        return data
    return _NEXT.sub(lambda match: b"%d" % (sequence + int(match[1]) - 3), data)


def feature_of(reason: str, detail: str) -> str:
    """A refusal in a few words: those of its detail that do not repeat the input."""
    return " ".join([reason, *(word for word in detail.split()[:5] if word.isalpha() and len(word) < 12)][:4])


def differing(expected: object, actual: object) -> str:
    """Two values in a line, not at any length."""
    return f"expected {_short(expected)}, got {_short(actual)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:500]} ... {text[-80:]}"
