"""A recorder on a disk that fails at one operation of a scenario after the other, and what must be true of the file.

``benchmarks/crashes.py`` plays many scenarios, ``tests/test_host_disk.py`` one. The trouble is the disk's alone: the
story is told to the end, whatever becomes of its recording.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import count, product
from typing import Final, NamedTuple

from snapshots.records import Record
from snapshots.scribe import RecorderFailed, RecorderResumed
from tests.recorded_stories import Story, judged
from tests.recorder_disks import Desk, Outage, ShakyDisk

OUTAGES: Final[tuple[Outage, ...]] = ("full", "half", "broken", "short", "nothing", "late")
LENGTHS: Final = (1, 2, 25)
"""Operations in a row that fail: a hiccup; one that cannot be cleared up at once; one that fills the queue."""
QUEUE_MAX: Final = 12
CALM: Final = 12
"""Records at the end of a story in which the disk works, and a snapshot comes."""
_LOST: Final = re.compile(rb"4000 recorder gap: (\d+) records? lost")


class Run(NamedTuple):
    """One scenario with one outage."""

    failures: int
    events: int
    lost: int
    wrong: list[str]


class Sweep(NamedTuple):
    """All outages of a scenario."""

    runs: int = 0
    failures: int = 0
    told: int = 0
    """Runs in which the recorder told of trouble."""
    lossy: int = 0
    """Runs in which records were lost, and marked."""
    wrong: tuple[str, ...] = ()

    def __add__(self, other: object) -> Sweep:
        assert isinstance(other, Sweep)
        runs, failures, told, lossy = (one + two for one, two in zip(self[:4], other[:4], strict=True))
        return Sweep(runs, failures, told, lossy, self.wrong + other.wrong)


def swept(seed: int, steps: int = 80) -> Sweep:
    """Fail each operation of a scenario, in every way, until the scenario ends before the failure comes."""
    sweep = Sweep()
    for how, length in product(OUTAGES, LENGTHS):
        for first in count(1):
            run = played(seed, steps, ShakyDisk(how, first, length))
            if not run.failures:
                break
            wrong = tuple(f"{how} for {length} operations from the {first}. on: {one}" for one in run.wrong)
            sweep += Sweep(1, run.failures, run.events > 0, run.lost > 0, wrong)
    return sweep


def played(seed: int, steps: int, disk: ShakyDisk) -> Run:
    """Record a story on a disk, and judge what is there in the end."""
    story, turns = Story(seed), random.Random(seed)
    desk = Desk(queue_max=QUEUE_MAX, block_bytes=600, disk=disk)
    heard = list(story.heard(steps))
    made, counts = list[Record](), {}
    for ts, one in enumerate(heard):
        made.append(Record(ts, one.kind, one.url, one.raw))
        counts[ts] = one.epoch
        if ts == len(heard) - CALM:
            disk.mend()
            _turn_until_it_works(desk)
        desk.put(one.kind, one.url, one.raw, ts)
        if turns.random() < 0.3 or ts > len(heard) - CALM:
            desk.scribe.write(flush=turns.random() < 0.6)
    desk.queue.close()
    desk.scribe.end()
    account = desk.account()
    records = disk.records()
    wrong = [*_not_followed(made, records, account["lost"]), *_not_told(desk, disk)]
    verdict = judged(story, records, counts)
    if verdict.wrong or not verdict.ends_live:
        wrong.append(f"a replay is {verdict}")
    return Run(disk.failures, len(desk.events), account["lost"], wrong)


def _turn_until_it_works(desk: Desk) -> None:
    """The recorder's timer is all that it takes."""
    for _ in range(3):
        if desk.scribe.write(flush=True):
            return
    raise AssertionError("the disk works again, and the recorder does not")


def _not_followed(made: list[Record], records: list[Record], lost: int) -> Iterator[str]:
    """The file holds what was made, in order, but for the runs whose length a marker tells."""
    following = marked = 0
    for at, record in enumerate(records):
        if (match := _LOST.fullmatch(record.raw)) is not None:
            is_first = at == 0 or _LOST.fullmatch(records[at - 1].raw) is None
            following, marked = following + is_first * int(match[1]), marked + is_first * int(match[1])
        elif following < len(made) and record == made[following]:
            following += 1
        elif not (record.kind == "open" and at and b"gap" in b"".join(one.raw for one in records[max(0, at - 9) : at])):
            yield f"record {at} is {record}, not {made[min(following, len(made) - 1)]}"
            return
    if (following, marked) != (len(made), lost):
        yield f"{following} of {len(made)} records are known, {marked} marked as lost, {lost} counted"


def _not_told(desk: Desk, disk: ShakyDisk) -> Iterator[str]:
    """Trouble and its end are told in turn; a disk that only takes less at a time is none."""
    kinds = [type(event) for event in desk.events]
    if kinds != [RecorderFailed, RecorderResumed] * (len(kinds) // 2):
        yield f"told was {desk.events}"
    resumed = sum(event.lost for event in desk.events if isinstance(event, RecorderResumed))
    if resumed != desk.account()["lost"]:
        yield f"{resumed} records were told to be lost, {desk.account()['lost']} are"
    if not kinds and disk.failures and disk.refusals:
        yield "the disk refused, and nobody was told"
