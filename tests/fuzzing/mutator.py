"""From inputs to other inputs, by a seed: bytes and tokens are changed, and what has led somewhere new is kept."""

from __future__ import annotations

import random
import re
from typing import Final

from tests.fuzzing.target import Target

KEPT_MAX: Final = 4_096
WRITTEN: Final = 64
"""New inputs that are at hand to be changed, the newest among them."""
BYTES_MAX: Final = 16_384
_TOKEN: Final = re.compile(rb'"[^"]*"|[-+0-9.eE@]+|[\[\]{}:,]|[a-z]+')


class Mutator:
    """Draws inputs.

    Args:
        target: Whose.
        seed: Of all chance.

    Attributes:
        kept: What inputs are made from: the seeds of the target, and what was found since.
    """

    def __init__(self, target: Target, seed: int) -> None:
        self._target = target
        self._rng = random.Random(f"{target.name} {seed}")
        self._words = target.words()
        self.kept: list[bytes] = list(target.seeds())
        self._written = [target.written(self._rng) for _ in range(WRITTEN)]

    def scenario(self) -> int:
        """How the next inputs begin."""
        return int(self._rng.random() * self._target.scenarios)

    def drawn(self) -> bytes:
        """The next input."""
        rng = self._rng
        dice = rng.random()
        if dice < 0.35:
            data = self._target.written(rng)
            self._written[int(rng.random() * len(self._written))] = data
            return data
        data = self._written[int(rng.random() * len(self._written))] if dice < 0.55 else self._kept()
        for _ in range(1 + int(rng.random() ** 3 * 6)):
            data = self._mutated(data)
        return self._target.mended(data[:BYTES_MAX], rng)

    def keep(self, data: bytes) -> None:
        """It led somewhere new."""
        if len(self.kept) < KEPT_MAX:
            self.kept.append(data)
        else:
            self.kept[int(self._rng.random() * KEPT_MAX)] = data

    def _kept(self) -> bytes:
        # Half of them among the newest: where one was found, others are near.
        rng = self._rng
        count = len(self.kept) if rng.random() < 0.5 else min(len(self.kept), 64)
        return self.kept[-1 - int(rng.random() * count)]

    def _mutated(self, data: bytes) -> bytes:
        rng = self._rng
        if rng.random() < 0.4:
            return self._token_changed(data)
        at = int(rng.random() * (len(data) + 1))
        length = 1 + int(rng.random() ** 4 * 64)
        match int(rng.random() * 8):
            case 0:
                data = b"%s%c%s" % (data[:at], int(rng.random() * 256), data[at + 1 :])
            case 1:
                data = data[:at] + data[at + length :]
            case 2:
                data = data[: at + length] + data[at:]
            case 3:
                other = self._kept()
                data = data[:at] + other[int(rng.random() * (len(other) + 1)) :]
            case 4:
                data = data[:at] if rng.random() < 0.3 else data + data[:at]
            case 5:
                data = (
                    data[at:] + data[:at] if rng.random() < 0.1 else data[:at] + data[at : at + 1] * length + data[at:]
                )
            case 6 if at < len(data):
                data = b"%s%c%s" % (data[:at], data[at] ^ 1 << int(rng.random() * 8), data[at + 1 :])
            case _:
                data = data[:at] + self._word() + data[at:]
        return data

    def _token_changed(self, data: bytes) -> bytes:
        """One token replaced, left out, doubled, or with something before it."""
        rng = self._rng
        # A place at random and the next token from there: as good as a choice among all, and cheaper.
        token = _TOKEN.search(data, int(rng.random() * len(data))) if data else None
        if token is None:
            return data + self._word()
        first, last = token.span()
        dice = rng.random()
        if dice < 0.5:
            return data[:first] + self._word() + data[last:]
        if dice < 0.65:
            return data[:first] + data[last:]
        if dice < 0.8:
            return data[:last] + data[first:]
        return data[:first] + self._word() + data[first:]

    def _word(self) -> bytes:
        return self._words[int(self._rng.random() * len(self._words))]
