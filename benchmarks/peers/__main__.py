"""Peers side by side: ``python -m benchmarks.peers``; ``--help`` says what can be chosen.

Every peer runs in an environment of its own, made on the first run from pinned requirements. Each round measures each
peer once, in a process of its own that is pinned to one core. Every result is compared with a plain book. A peer that
cannot be installed is listed with the reason. Tables, a plot and the samples go to ``build/peers``.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.peers import report
from benchmarks.peers.adapter import PEERS
from benchmarks.peers.bars import DECODERS
from benchmarks.peers.environments import BUILD, NotHere, interpreter, made
from benchmarks.peers.results import Results
from benchmarks.workloads import CAPTURE, DEPTHS, Workload, busy, deep, large, recorded, thin

PROCESS_TIMEOUT_S = 900


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def workloads(*, quick: bool) -> dict[str, Workload]:
    """What is measured on."""
    part = 5 if quick else 1
    depths = DEPTHS[:2] if quick else DEPTHS
    made_deep = [deep(levels, near=near, messages=6_000 // part) for levels in depths for near in (True, False)]
    return {
        each.name: each for each in (busy(30_000 // part), thin(15_000 // part), recorded(CAPTURE), large(), *made_deep)
    }


def measured(command: list[str], variables: dict[str, str]) -> dict[str, Any]:
    """What one process found.

    Raises:
        NotHere: It failed.
    """
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False, timeout=PROCESS_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise NotHere(f"not done after {PROCESS_TIMEOUT_S} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotHere(f"its process failed: {last[-1]:.300}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(peers: list[str], rounds: int, core: int, python: str, *, quick: bool) -> Results:
    """All rounds, interleaved over all peers."""
    results = Results()
    ready = {}
    for peer in peers:
        try:
            ready[peer] = made(PEERS[peer][2] if peer in PEERS else "plain", python, say)
        except NotHere as problem:
            results.absent[peer] = str(problem)
            say(f"{peer}: left out, {problem}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workloads"
        say("making the workloads ...")
        path.write_bytes(pickle.dumps(workloads(quick=quick)))
        for number in range(rounds):
            for peer, (inside, variables) in list(ready.items()):
                say(f"round {number + 1} of {rounds}: {peer}")
                for what in ("times", "memory") if number == 0 and peer in PEERS else ("times",):
                    command = [inside, "-m", "benchmarks.peers.worker", peer, what, str(path), str(core)]
                    try:
                        results.add(peer, measured(command, variables))
                    except NotHere as problem:
                        results.absent[peer] = str(problem)
                        say(f"{peer}: left out, {problem}")
                        ready.pop(peer, None)
                        break
    return results


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="How often each peer is measured.")
@click.option("--peers", "names", default="", help="Only those whose name contains one of these, separated by commas.")
@click.option("--quick", is_flag=True, help="A fifth of the messages, and no deep books.")
@click.option(
    "--core", default=0, show_default=True, type=click.IntRange(0), help="The core that processes are pinned to."
)
@click.option("--python", help="The interpreter of the environments; by default python3.12, if it is there.")
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), help="Write the page with the figures here too."
)
def main(rounds: int, names: str, core: int, python: str | None, page: Path | None, *, quick: bool) -> None:
    """The one command."""
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    everyone = [*PEERS, DECODERS]
    peers = [peer for peer in everyone if not chosen or any(name in peer for name in chosen)]
    if not peers:
        raise click.UsageError(f"no peer is called so; there are: {', '.join(everyone)}")
    try:
        path = interpreter(python)
    except NotHere as problem:
        raise click.ClickException(str(problem)) from None
    results = measure(peers, rounds, core, path, quick=quick)
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "results.pickle").write_bytes(pickle.dumps(results))
    text = report.page_of(results, path, rounds, quick=quick)
    (BUILD / "performance.md").write_text(text, encoding="utf-8")
    report.plot(results, path, say)
    if page:
        page.write_text(text, encoding="utf-8")
    print(report.bars_table(results))
    say(f"tables: {BUILD / 'performance.md'}")


if __name__ == "__main__":
    main()
