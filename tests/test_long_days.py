"""Short versions of ``benchmarks.long_days``: a few hours of tokens, and of silence; and its bars.

What lives for a day there lives for a quarter of it here, and the feed replaces its links in a quarter of its own time:
the share of a link's life that is left then is that of the library's settings.
"""

from __future__ import annotations

import pytest

from benchmarks import long_days
from benchmarks.long_days import DAY_S, missed_by_quiet, missed_by_tokens, quiet, tokens
from orderbook.feed.settings import FeedSettings
from orderbook.settings import SyncSettings
from orderbook.testing import run

SHARE = 4


@pytest.fixture(autouse=True)
def _shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that lives for a day in less, and without audits, of which other tests tell: they cost more than the rest.

    A busy topic is found out within 14 s, so that it need not be silent for minutes.
    """
    link_life_ms = FeedSettings().link_life_ms // SHARE
    settings = FeedSettings(audit_interval_ms=None, instruments_interval_ms=None, link_life_ms=link_life_ms)
    monkeypatch.setattr(long_days, "SETTINGS", settings)
    monkeypatch.setattr(long_days, "LINK_LIFE_S", DAY_S / SHARE)
    monkeypatch.setattr(long_days, "BUSY_MUTE_MS", 20_000)
    monkeypatch.setattr(long_days, "PAUSE_S", (20.0, 40.0))


def test_nobody_notices_that_tokens_expire_and_links_end() -> None:
    """In the life of a token: one roll-over at least, no expired token, and no book that leaves LIVE."""
    found = run(lambda: tokens(1 / SHARE, 1, per_hour=6.0, symbols=1))

    assert [] == missed_by_tokens(found)
    assert 1 <= found["roll_overs"] == found["connects"] - 1


def test_links_that_are_kept_too_long_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars can be missed: a feed that waits until the venue ends its links loses LIVE."""
    monkeypatch.setattr(long_days, "LINK_LIFE_S", 3_600.0)
    missed = missed_by_tokens(run(lambda: tokens(0.1, 1, per_hour=6.0, symbols=1)))

    assert {"links_lost", "not_live"} == {text.partition(":")[0] for text in missed}


def test_quiet_is_not_dead_and_dead_is_not_quiet() -> None:
    """No false alarm in hours, and a topic that goes silent is found out in time, also while REST is dead."""
    found = run(lambda: quiet(0.1, 1, rates={"BTC-USDT": 3.0, "ETH-USDT": 0.1}, trials=2))

    assert [] == missed_by_quiet(found)
    assert {"venue ahead by": 2} == found["quiet_muted"]["reasons"]
    assert 2 == found["quiet_muted_rest_dead"]["trials"]
    assert {"silent, and no answer of the venue says why": 2} == found["busy_muted_rest_dead"]["reasons"]


def test_a_dead_topic_that_nobody_can_ask_about_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars can be missed: with the time-out of probes off, the book stays LIVE for as long as REST is dead."""
    patient = SyncSettings(probe_timeout_ms=None)
    monkeypatch.setattr(long_days, "BUSY", FeedSettings(sync=patient))
    found = run(lambda: long_days.busy(1, 1))

    assert ["busy_muted_rest_dead"] == [text.partition(":")[0] for text in missed_by_quiet(found)]
