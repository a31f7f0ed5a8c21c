"""For tests of bots: a KuCoin in memory, in virtual time, whose every book is known."""

from __future__ import annotations

from orderbook.simulator.faults import FaultPlan
from orderbook.simulator.server import LocalKuCoin
from orderbook.simulator.virtual_time import VirtualLoop, run
from orderbook.testing.network import Route
from orderbook.testing.virtual import VirtualKuCoin

__all__ = ["FaultPlan", "LocalKuCoin", "Route", "VirtualKuCoin", "VirtualLoop", "run"]
