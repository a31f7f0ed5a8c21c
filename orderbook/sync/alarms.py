"""What happens when a wait is over, by time or by count."""

from __future__ import annotations

from orderbook.settings import SyncSettings
from orderbook.sync.facts import Input
from orderbook.sync.machine import Machine
from orderbook.sync.table import Rule, Verdict
from orderbook.types import BookState


class Alarms:
    """Judges the waits of one symbol by the table."""

    def __init__(self, machine: Machine, settings: SyncSettings) -> None:
        self._machine = machine
        self._desk = machine.desk
        self._settings = settings

    def judge(self) -> None:
        """See which waits are over, and do what the table says then."""
        desk = self._desk
        facts = desk.waits.facts(desk.now_ns)
        for rule in self._machine.rules(Input.TIMER):
            # One may have moved the book to a state where the next does not apply any more.
            if desk.state in rule.states and rule.when(facts):
                self._ring(rule)
                facts = desk.waits.facts(desk.now_ns)

    def _ring(self, rule: Rule) -> None:
        machine, desk = self._machine, self._desk
        match rule.verdict:
            case Verdict.ASK:
                if desk.waits.is_over("unanswered", desk.now_ns):
                    desk.withdraw()
                desk.ask(rule.name)
            case Verdict.GAP:
                machine.give_up_hole()
            case Verdict.DROP:
                self._stop_awaiting_stream()
            case Verdict.INCONCLUSIVE:
                desk.waits.stop("audit")
                machine.auditor.drop_snapshot()
                if machine.auditor.is_unanswered:
                    desk.reject("ahead", "the stream has not reached it", wished=True)
            case Verdict.SILENT:
                machine.fall_silent()
            case Verdict.BEHIND:
                self._fall_behind()
            case Verdict.UNASKED:
                # Over for good until something comes: a frame without a time must not make the book LIVE again.
                desk.waits.start("answer", desk.now_ns, None, 0)
                desk.waits.start("symbol", desk.now_ns, self._settings.probe_interval_ms)
                desk.go(Verdict.UNASKED, "silent, and no answer of the venue says why")
            case _:
                is_done = desk.question("no delta for a while") and not desk.is_unasked
                again_ms = self._settings.symbol_silence_ms if is_done else self._settings.probe_interval_ms
                desk.waits.start("symbol", desk.now_ns, again_ms)

    def _stop_awaiting_stream(self) -> None:
        """The stream has not reached the snapshot, or no sign of another count came, which was all that was awaited."""
        machine, desk = self._machine, self._desk
        if machine.is_turned and machine.probed > machine.last:
            desk.waits.stop("ahead")
            machine.confirm()
            if desk.state is BookState.LIVE:
                # It stands, but the venue has been ahead of it for as long as the stream may take.
                self._fall_behind()
            return
        machine.provenance.drop(desk.counters.frames)
        machine.base = None
        machine.is_turned = False
        desk.attempts += 1
        desk.waits.stop("ahead")
        desk.ask("the stream has not reached the snapshot")

    def _fall_behind(self) -> None:
        """The venue stays ahead of the stream."""
        machine, desk = self._machine, self._desk
        machine.owed = machine.probed
        machine.provenance.fell_behind(desk.counters.deltas)
        desk.waits.stop("behind")
        desk.go(Verdict.BEHIND, f"venue ahead by {machine.probed - machine.last}")
        desk.ask("venue ahead")
