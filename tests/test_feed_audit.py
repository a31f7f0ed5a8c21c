"""Audits in the background: a right book is disturbed by none, and a wrong one is found out, shown and rebuilt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderbook.events import AuditFailed, AuditPassed, Crossed
from orderbook.types import BookState
from tests.feed_books import BTC, ETH, FAST, Stage, stage, until

AUDITED = replace(FAST, audit_interval_ms=10)
UNSEEN: tuple[dict[str, Any], ...] = (
    {"fault": "shallow_snapshot", "rows": 5},
    *({"fault": "bad_snapshot", "how": how} for how in ("bids", "asks", "other", "corrupt")),
)
"""Well-formed answers that no rule of the venue contradicts."""


@pytest.mark.parametrize("depth", ["full", 100])
async def test_audits_pass_unnoticed(depth: Any) -> None:
    """Book after book is compared with a fresh snapshot, without leaving LIVE for it."""
    profile = "normal" if depth == 100 else "batches"
    async with stage(settings=AUDITED, depth=depth, profile=profile) as on:
        on.strike()
        await until(lambda: min(on.feed.counters(symbol).audits for symbol in (BTC, ETH)) >= 4)
        await on.settled()

        on.check()
        assert not on.watch.transitions
        assert on.watch.told(AuditPassed, symbol=BTC)
        assert 0 == on.feed.counters(BTC).audits_failed
        assert not on.feed.dumps


@pytest.mark.parametrize("what", ["size", "delete", "missing"])
async def test_a_lie_of_the_stream_is_found_out(what: str) -> None:
    """Nothing in the stream shows it; the audit does: event, dump, journal, and a new book for that symbol alone."""
    async with stage(settings=AUDITED) as on:
        await on.strike_for(400, {"fault": "corrupt", "what": what, "every": 3, "scope": BTC})
        await until(lambda: on.watch.told(AuditFailed))
        failed = on.watch.told(AuditFailed, symbol=BTC)[0]
        assert failed.differences
        dump = on.feed.dumps[0]
        assert (BTC, failed) == (dump.symbol, dump.event)
        assert str(failed.sequence).encode() in dump.snapshot
        assert dump.recent
        assert all(delta.symbol == BTC for delta in dump.recent)
        loss = next(one for one in on.feed.journal(BTC) if one.cause.startswith("audit"))
        assert loss.wrong_levels == failed.differences

        await _rebuilt(on)
        assert [] == on.watch.transitions[ETH]


async def _rebuilt(on: Stage) -> None:
    """Nothing goes wrong any more: after an audit of the present book every read is right."""
    sequence = on.market[BTC].sequence

    def is_proven() -> bool:
        on.feed.audit_all()
        return any(audit.sequence > sequence for audit in on.watch.told(AuditPassed, symbol=BTC))

    await until(is_proven)
    on.watch.wrong.clear()
    reads = on.watch.reads
    await until(lambda: on.watch.reads > reads + 50)
    await on.settled()
    on.check()


async def test_a_snapshot_that_the_stream_reached_later_is_in_the_dump_too() -> None:
    """The stream is slower than REST, so each comparison waits for it; what is found then is shown just the same."""
    async with stage(settings=AUDITED, link_delay_ms=40) as on:
        await on.strike_for(300, {"fault": "corrupt", "every": 3, "scope": BTC})
        await until(lambda: on.watch.told(AuditFailed))
        await _rebuilt(on)

        failed = on.watch.told(AuditFailed)
        assert failed == [dump.event for dump in on.feed.dumps]
        assert all(str(dump.event.sequence).encode() in dump.snapshot for dump in on.feed.dumps)


async def test_flipped_bits_are_found_out() -> None:
    """One bit of a frame is another: unreadable, or a lie; in the end the book is right again."""
    async with stage(settings=AUDITED) as on:
        await on.strike_for(400, {"fault": "garble", "how": "flip", "every": 2, "scope": BTC})
        assert on.struck("garble") >= 10
        await _rebuilt(on)
        assert [] == on.watch.transitions[ETH]


@pytest.mark.parametrize("fault", UNSEEN, ids=lambda fault: " ".join(map(str, fault.values())))
async def test_a_snapshot_that_lies_is_found_out_by_the_next_audit(fault: dict[str, Any]) -> None:
    """Too short, empty, of another symbol or with a wrong size: only a comparison can tell that from a right one."""
    async with stage() as on:
        on.strike({**fault, "scope": BTC}, {"fault": "drop", "run": 3, "scope": BTC})
        await until(lambda: on.feed.counters(BTC).joins == 2)

        def is_found() -> bool:
            on.feed.audit_all()
            return bool(on.watch.told(AuditFailed, Crossed, symbol=BTC))

        await until(is_found)
        await _rebuilt(on)
        assert [] == on.watch.transitions[ETH]


@pytest.mark.parametrize(
    "fault", [{"fault": "shallow_snapshot", "rows": 0}, {"fault": "bad_snapshot", "how": "empty"}], ids=str
)
async def test_an_empty_snapshot_is_not_believed(fault: dict[str, Any]) -> None:
    """Not a level in it: another one is asked for, and no read is ever wrong."""
    async with stage() as on:
        on.strike({**fault, "scope": BTC}, {"fault": "drop", "run": 3, "scope": BTC})
        await until(lambda: on.feed.counters(BTC).snapshots_rejected["empty"] == 1)
        await on.settled()
        on.check()


async def test_a_level_that_was_not_there_when_it_was_removed_calls_for_an_audit() -> None:
    """A whole book of a venue that has never done that is not whole: it is found out at once, not by chance."""
    async with stage() as on:
        on.strike({"fault": "shallow_snapshot", "rows": 5, "scope": BTC}, {"fault": "drop", "run": 3, "scope": BTC})
        await until(lambda: on.watch.told(AuditFailed, Crossed, symbol=BTC))
        assert on.feed.counters(BTC).remove_absent
        on.watch.wrong.clear()
        await _rebuilt(on)
        assert [] == on.watch.transitions[ETH]


@pytest.mark.parametrize("fault", ["rate_limited", "html", "hang", "cut", "rest_error"])
async def test_audits_that_get_no_answer_disturb_nothing(fault: str) -> None:
    """The book stays LIVE; when answers come again, audits go on."""
    async with stage(settings=AUDITED, seed=3) as on:
        on.strike({"fault": fault, "path": "level2", "p": 1, "times": 4})
        await until(lambda: on.struck(fault) == 4)
        audits = on.feed.counters(BTC).audits
        await until(lambda: on.feed.counters(BTC).audits > audits)
        await on.settled()

        on.check()
        assert not on.watch.transitions


async def test_all_books_can_be_audited_at_once() -> None:
    """``audit_all`` compares each LIVE book once, and none leaves LIVE for it."""
    async with stage() as on:
        on.strike()
        on.feed.audit_all()
        await until(lambda: all(on.feed.counters(symbol).audits == 1 for symbol in (BTC, ETH)))

        on.check()
        assert not on.watch.transitions


async def test_dumps_are_bounded() -> None:
    """However often audits fail, only the last dumps are kept."""
    async with stage(settings=replace(AUDITED, dumps_max=2)) as on:
        on.strike({"fault": "corrupt", "every": 2, "scope": BTC})
        await until(lambda: len(on.watch.told(AuditFailed)) >= 3)
        assert 2 == len(on.feed.dumps)
        assert [one.event for one in on.feed.dumps] == on.watch.told(AuditFailed)[-2:]
        assert BookState.LIVE is on.feed[ETH].state
