"""Measure one peer once: ``python -m benchmarks.peers.worker PEER WHAT WORKLOADS CORE``; JSON on stdout.

It runs in the peer's own environment, with nothing but the standard library and what that environment has.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.peers.adapter import PEERS, adapter_of
from benchmarks.peers.decoders import decoders
from benchmarks.peers.measures import Measuring


def run(peer: str, what: str, workloads: dict[str, Any]) -> dict[str, Any]:
    """One round of a peer: ``times``, ``memory``; the decoders are a peer too."""
    if peer not in PEERS:
        return {"samples": decoders(workloads["W1"].frames())}
    adapter = adapter_of(peer)
    measuring = Measuring(adapter)
    if what == "memory":
        measuring.memory()
    else:
        measuring.all_of(workloads)
    found = asdict(measuring.findings)
    found["note"] = adapter.note
    try:
        found["version"] = version(adapter.package) if adapter.package else ""
    except PackageNotFoundError:
        found["version"] = ""
    return found


def main() -> None:
    """As the command line says."""
    peer, what, path, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    # Written by the benchmark itself, a moment ago.
    workloads = pickle.loads(Path(path).read_bytes())
    out = os.dup(1)
    os.dup2(2, 1)  # what a peer prints is no result
    found = run(peer, what, workloads)
    with os.fdopen(out, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
