"""For tests of bots: a KuCoin in memory, in virtual time, whose every book is known.

``orderbook.testing.plugin`` has fixtures for pytest, which finds them by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orderbook.simulator.faults import FaultPlan
    from orderbook.simulator.server import LocalKuCoin
    from orderbook.simulator.virtual_time import VirtualLoop, run
    from orderbook.testing.coroutines import in_virtual_time
    from orderbook.testing.hosted import HostedKuCoin
    from orderbook.testing.network import Route
    from orderbook.testing.truth import assert_true, compare
    from orderbook.testing.virtual import VirtualKuCoin

__all__ = [
    "FaultPlan",
    "HostedKuCoin",
    "LocalKuCoin",
    "Route",
    "VirtualKuCoin",
    "VirtualLoop",
    "assert_true",
    "compare",
    "in_virtual_time",
    "run",
]

_HOMES: Final = {
    "FaultPlan": "orderbook.simulator.faults",
    "HostedKuCoin": "orderbook.testing.hosted",
    "LocalKuCoin": "orderbook.simulator.server",
    "Route": "orderbook.testing.network",
    "VirtualKuCoin": "orderbook.testing.virtual",
    "VirtualLoop": "orderbook.simulator.virtual_time",
    "assert_true": "orderbook.testing.truth",
    "compare": "orderbook.testing.truth",
    "in_virtual_time": "orderbook.testing.coroutines",
    "run": "orderbook.simulator.virtual_time",
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: pytest loads the plugin beside this in every project that has it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'orderbook.testing' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
