"""Tables of what was found, the page that explains them, and the plot."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.peers.adapter import PEERS, QUERIES
from benchmarks.peers.bars import DECODERS, OURS, bars_of
from benchmarks.peers.environments import BUILD, NotHere, made
from benchmarks.peers.results import Cell, Results
from benchmarks.workloads import DEPTHS

PROSE: Final = Path(__file__).resolve().parent / "performance.md.in"
Measures = Mapping[str, str]

UPDATES: Final[Measures] = {
    "frame": "frame to book, ns/message",
    "frame + read": "the same, best bid and ask read after each, ns/message",
    "texts": "parsed changes, texts, ns/change",
    "natives": "parsed changes, own types, ns/change",
}


def time_of(ns: float) -> str:
    """A duration as people read it."""
    for unit, size in (("ms", 1e6), ("us", 1e4)):
        if ns >= size:
            divided = ns / (1e6 if unit == "ms" else 1e3)
            return f"{divided:,.2f} ms" if unit == "ms" else f"{divided:,.1f} us"
    return f"{ns:,.0f}" if ns >= 100 else f"{ns:.1f}"


def table(results: Results, measures: Measures) -> str:
    """Peers by measures; in brackets how many times the fastest cell of the column."""
    cells = results.cells()
    peers = [peer for peer in (*PEERS, DECODERS) if any((peer, measure) in cells for measure in measures)]
    best = {
        measure: min((cells[peer, measure].ns for peer in peers if (peer, measure) in cells), default=1.0)
        for measure in measures
    }
    lines = [f"| peer | {' | '.join(measures.values())} |", f"|---|{'---:|' * len(measures)}"]
    for peer in peers:
        row = [_cell(results, cells, peer, measure, best[measure]) for measure in measures]
        lines.append(f"| {peer} | {' | '.join(row)} |")
    return "\n".join(lines)


def _cell(results: Results, cells: Mapping[tuple[str, str], Cell], peer: str, measure: str, best: float) -> str:
    cell = cells.get((peer, measure))
    if cell is None:
        return "-"
    text = f"**{time_of(cell.ns)}**" if cell.ns == best else f"{time_of(cell.ns)} ({cell.ns / best:,.1f}x)"
    marks = ("" if cell.quiet else " ~") + (" ✗" if (peer, measure) in results.wrong else "")
    return text + marks


def decoders_table(results: Results) -> str:
    """Decoders alone."""
    cells = {measure: cell for (peer, measure), cell in results.cells().items() if peer == DECODERS}
    lines = ["| decoder | ns/frame |", "|---|---:|"]
    lines += [f"| {name} | {time_of(cell.ns)} |" for name, cell in sorted(cells.items(), key=lambda one: one[1].ns)]
    return "\n".join(lines)


def memory_table(results: Results) -> str:
    """Bytes a level."""
    lines = ["| peer | bytes a level |", "|---|---:|"]
    found = sorted((median(values), peer) for peer, values in results.memory.items())
    lines += [f"| {peer} | {value:,.0f} |" for value, peer in found]
    return "\n".join(lines)


def bars_table(results: Results) -> str:
    """Every bar, met or not."""
    lines = ["| bar | asked | found | against | |", "|---|---:|---:|---|---|"]
    for bar in bars_of(results.cells(), {peer: median(values) for peer, values in results.memory.items()}):
        sign = "≥" if bar.least else "≤"
        found = "-" if bar.found is None else f"{bar.found:.2f}"
        lines.append(f"| {bar.text} | {sign} {bar.bar:g} | {found} | {bar.against or '-'} | {bar.verdict} |")
    return "\n".join(lines)


def better_table(results: Results) -> str:
    """Every cell in which a peer is faster than this library, the worst first."""
    cells = results.cells()
    found = []
    for (peer, measure), cell in cells.items():
        ours = cells.get((OURS, measure))
        if ours is not None and not peer.startswith("orderbook") and cell.ns < ours.ns:
            found.append((ours.ns / cell.ns, measure, peer))
    if not found:
        return "In no measure of this run."
    lines = ["| measure | peer | how many times faster |", "|---|---|---:|"]
    lines += [f"| {measure} | {peer} | {ratio:.1f}x |" for ratio, measure, peer in sorted(found, reverse=True)]
    return "\n".join(lines)


def notes_of(results: Results) -> str:
    """Versions, notes, what disagreed, and who is absent."""
    lines = []
    for peer in PEERS:
        if peer in results.versions:
            version = f" {results.versions[peer]}" if results.versions[peer] else ""
            lines.append(f"- {peer}{version}{': ' if results.notes[peer] else ''}{results.notes[peer]}")
    lines += [f"- ✗ {peer}, {measure}: {problem}" for (peer, measure), problem in sorted(results.wrong.items())]
    lines += [f"- {peer} is absent: {reason}" for peer, reason in results.absent.items()]
    return "\n".join(lines)


def machine(python: str, rounds: int, *, quick: bool) -> str:
    """Where and how it was measured."""
    asked = "import platform; print(platform.python_implementation(), platform.python_version())"
    version = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    cores = f"{len(models)} cores of {models[0]}" if models else platform.machine()
    return f"{cores}, {platform.system()}, {version}, {rounds} rounds{', quick' if quick else ''}"


def growth_measures(kind: str, what: str) -> Measures:
    """Columns by depth."""
    return {f"D{levels} {kind} {what}": f"{levels:,} levels" for levels in DEPTHS}


def page_of(results: Results, python: str, rounds: int, *, quick: bool) -> str:
    """The whole page."""
    parts = {
        "MACHINE": machine(python, rounds, quick=quick),
        "BARS": bars_table(results),
        "W1": table(results, {f"W1 {measure}": text for measure, text in UPDATES.items()}),
        "W2": table(results, {f"W2 {measure}": text for measure, text in UPDATES.items()}),
        "CAPTURE": table(results, {f"capture {measure}": text for measure, text in UPDATES.items()}),
        "QUERIES": table(results, {query: query.replace("_", " ") for query in QUERIES}),
        "SNAPSHOT": table(results, {"W3 snapshot": "from REST bytes to best bid and ask"}),
        "MEMORY": memory_table(results),
        "DECODERS": decoders_table(results),
        "NEAR": table(results, growth_measures("near", "natives")),
        "UNIFORM": table(results, growth_measures("uniform", "natives")),
        "NEAR_FRAMES": table(results, growth_measures("near", "frame")),
        "UNIFORM_FRAMES": table(results, growth_measures("uniform", "frame")),
        "BETTER": better_table(results),
        "NOTES": notes_of(results),
    }
    text = PROSE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def plot(results: Results, python: str, say: Callable[[str], None]) -> None:
    """Two pictures as one file, by matplotlib in an environment of its own; without one, it says why."""
    cells = results.cells()
    data: dict[str, object] = {
        "bars": [
            (
                peer,
                *[
                    cells[peer, measure].ns if (peer, measure) in cells else None
                    for measure in ("W1 frame", "W1 frame + read")
                ],
            )
            for peer in PEERS
            if (peer, "W1 frame") in cells
        ],
        "growth": [(peer, _line(cells, peer)) for peer in PEERS if len(_line(cells, peer)) > 1],
    }
    try:
        inside, variables = made("plots", python, say)
    except NotHere as problem:
        say(f"no plot: {problem}")
        return
    (BUILD / "plot.json").write_text(json.dumps(data), encoding="utf-8")
    command = [
        inside,
        str(Path(__file__).with_name("plots.py")),
        str(BUILD / "plot.json"),
        str(BUILD / "performance.png"),
    ]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    say(f"plot: {BUILD / 'performance.png'}" if done.returncode == 0 else f"no plot: {done.stderr.strip()[-300:]}")


def _line(cells: Mapping[tuple[str, str], Cell], peer: str) -> Sequence[tuple[int, float]]:
    measures = [(levels, f"D{levels} uniform natives") for levels in DEPTHS]
    return [(levels, cells[peer, measure].ns) for levels, measure in measures if (peer, measure) in cells]
