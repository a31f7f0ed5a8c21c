"""Both implementations of a ladder and of a pulse, as far as they are here: the pure ones always are."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from orderbook.ladder import reference
from orderbook.twin import pure

if TYPE_CHECKING:
    from orderbook.ladder import Ladder

IS_BUILT: Final = find_spec("orderbook.compiled.ladder") is not None
"""Whether there is a compiled twin, in use or not."""

LADDERS: Final[dict[str, type[Ladder]]] = {
    "pure": reference.Ladder,
    **({"compiled": import_module("orderbook.compiled.ladder").Ladder} if IS_BUILT else {}),
}

PULSES: Final[dict[str, type[pure.PulseState]]] = {
    "pure": pure.PulseState,
    **({"compiled": import_module("orderbook.compiled.lane").PulseState} if IS_BUILT else {}),
}
