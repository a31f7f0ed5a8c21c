"""What is measured of one peer, in a process of its own, and the check of every result."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.peers.adapter import QUERIES, Adapter, Reference, same
from benchmarks.peers.clock import Sample, loop_of, samples_of, samples_of_call
from benchmarks.workloads import Message, Workload

T = TypeVar("T")

CHUNK: Final = 500
"""Messages in one sample; so few that what is made of them stays in the cache, as what has just arrived is."""
MEMORY_LEVELS: Final = 100_000
"""A side, when memory is measured."""


@dataclass(slots=True)
class Findings:
    """What came out: samples of each measure, other numbers, and what was wrong."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


class Measuring:
    """One peer under measurement."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.findings = Findings()

    def all_of(self, workloads: dict[str, Workload]) -> Findings:
        """Every measure of every workload. A peer that cannot do something says so by an empty text."""
        for name, workload in workloads.items():
            if name.startswith("D"):
                self.growth(workload)
            elif name == "W3":
                self.snapshot(workload)
            elif name != "capture" or not self.adapter.whole:  # whose tick is another one there
                self.updates(workload)
        if "W1" in workloads:
            self.queries(workloads["W1"])
        return self.findings

    def updates(self, workload: Workload) -> None:
        """Frames and parsed changes, with and without reads."""
        adapter, name = self.adapter, workload.name
        if adapter.receive:
            for suffix, read in (("", ""), (" + read", f"; {adapter.read}")):
                self.load_body(workload)
                self.follow(
                    f"{name} frame{suffix}", adapter.receive + read, "frame", self.frames(workload), len, workload
                )
        for kind in ("texts", "natives"):
            self.parsed(workload, kind, f"{name} {kind}")

    def load_body(self, workload: Workload) -> None:
        """A new book from what REST answers."""
        self.adapter.await_body(workload.sequence)
        self.adapter.load_body(workload.body(), workload.sequence)

    def frames(self, workload: Workload) -> Iterator[Sequence[Any]]:
        """The frames of a workload."""
        return chunks(workload.frames(), arrived)

    def parsed(self, workload: Workload, kind: str, label: str) -> None:
        """Changes that are parsed already, in ns a change."""
        adapter = self.adapter
        statement = getattr(adapter, kind)
        if not statement:
            return
        if adapter.whole:
            adapter.begin(workload)
            counts = ([sum(one)] for one in chunks(workload.messages, lambda m: len(m.bids) + len(m.asks)))
            self.follow(label, statement, "count", counts, sum, workload, CHUNK)
            return
        adapter.load(workload.bids, workload.asks, workload.sequence)
        make: Callable[[Message], Any] = texts if kind == "texts" else adapter.native
        items = chunks(workload.messages, make)
        self.follow(label, statement, "bids, asks, sequence", items, rows_of, workload)

    def follow(
        self,
        label: str,
        statement: str,
        variables: str,
        items: Iterable[Sequence[Any]],
        units: Callable[[Sequence[Any]], int],
        workload: Workload,
        messages: int = 1,
    ) -> None:
        """Time a statement over messages of a workload, so many an item, and compare the book with the reference."""
        timed = loop_of(statement, self.adapter.names(), variables)
        self.findings.samples[label], used = samples_of(timed, items, units)
        reference = Reference(workload)
        for message in workload.messages[: used * messages]:
            reference.apply(message)
        self.compare(label, reference)

    def compare(self, label: str, reference: Reference) -> None:
        """Level by level."""
        for side, expected, found in zip(("bids", "asks"), reference.sides(), self.adapter.sides(), strict=True):
            if len(expected) != len(found):
                self.findings.wrong[label] = f"{len(found)} {side} instead of {len(expected)}"
            elif not same(expected, found):
                self.findings.wrong[label] = f"other {side}"

    def queries(self, workload: Workload) -> None:
        """Reads of a live book, in ns a call; the book has taken a few frames, so that it is as books are."""
        adapter = self.adapter
        reference = Reference(workload)
        for message in workload.messages[:CHUNK]:
            reference.apply(message)
        self.live(workload)
        names, expected = adapter.names(), reference.answers()
        for query in QUERIES:
            expression = adapter.queries.get(query)
            if expression:
                parts = [eval(part, dict(names)) for part in expression.split(";")]
                answer = adapter.plain(query, parts if len(parts) > 1 else parts[0])
                if not same(expected[query], answer):
                    self.findings.wrong[query] = f"{answer!r:.60} instead of {expected[query]!r:.60}"
                self.findings.samples[query] = samples_of_call(expression, names)

    def live(self, workload: Workload) -> None:
        """A book that has taken the first messages of a workload."""
        adapter = self.adapter
        if adapter.whole:
            adapter.begin(workload)
            count = sum(len(message.bids) + len(message.asks) for message in workload.messages[:CHUNK])
            loop_of(adapter.natives, adapter.names(), "count")([count])
        elif adapter.receive:
            self.load_body(workload)
            loop_of(adapter.receive, adapter.names(), "frame")(workload.frames()[:CHUNK])
        else:
            adapter.load(workload.bids, workload.asks, workload.sequence)
            items = [adapter.native(message) for message in workload.messages[:CHUNK]]
            loop_of(adapter.natives, adapter.names(), "bids, asks, sequence")(items)

    def snapshot(self, workload: Workload) -> None:
        """A book from what REST answered; best bid and ask are read, as some sort only then."""
        adapter, body = self.adapter, workload.body()
        if not adapter.receive:
            return

        def timed(bodies: Sequence[bytes]) -> int:
            took = 0
            for one in bodies:
                adapter.await_body(workload.sequence)
                names = {"load": adapter.load_body, "sequence": workload.sequence}
                load = loop_of("load(body, sequence)", names, "body")
                took += load([one])
                took += loop_of(adapter.read, adapter.names(), "_")([None])
            return took

        self.findings.samples["W3 snapshot"] = samples_of(timed, [[body]] * 15)[0]
        self.compare("W3 snapshot", Reference(workload))

    def growth(self, workload: Workload) -> None:
        """Parsed changes in a deep book; of a peer that takes frames, frames too."""
        self.parsed(workload, "natives", f"{workload.name} natives")
        adapter = self.adapter
        if adapter.receive == "receive(frame)":
            self.load_body(workload)
            self.follow(f"{workload.name} frame", adapter.receive, "frame", self.frames(workload), len, workload)

    def memory(self) -> None:
        """Bytes a level of a large book, before any read: what the process grew by while it was filled."""
        adapter = self.adapter
        if not adapter.texts:
            return
        adapter.load([("1000", "1")], [("2000000", "1")], 1)
        change = loop_of(adapter.texts, adapter.names(), "bids, asks, sequence")
        before = resident()
        for first in range(0, MEMORY_LEVELS, 500):
            numbers = range(first, first + 500)
            bids = [[f"{1_000_000 - n}.5", f"0.{n + 1}1"] for n in numbers]
            asks = [[f"{1_000_001 + n}.5", f"0.{n + 1}1"] for n in numbers]
            change([(bids, asks, first + 2)])
        self.findings.numbers["memory"] = (resident() - before) / (2 * MEMORY_LEVELS)


def chunks(items: Sequence[T], make: Callable[[T], Any]) -> Iterator[Sequence[Any]]:
    """In pieces of ``CHUNK``, each made when it is asked for."""
    for first in range(0, len(items), CHUNK):
        yield [make(item) for item in items[first : first + CHUNK]]


def arrived(frame: bytes) -> bytes:
    """A frame as if it had just been read: a copy, in the cache."""
    return bytes(memoryview(frame))


def texts(message: Message) -> tuple[list[list[str]], list[list[str]], int]:
    """A message as a JSON decoder gives it."""
    return [list(row) for row in message.bids], [list(row) for row in message.asks], message.end


def rows_of(items: Sequence[Any]) -> int:
    """How many changes there are in (bids, asks, sequence) triples."""
    return sum(len(bids) + len(asks) for bids, asks, _ in items)


def resident() -> int:
    """Bytes of memory that this process occupies, after what is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
