"""Every bound and wait of the synchroniser, with its default. Reaching a bound is an event, never a silence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from orderbook.errors import UsageError

SETTING_MAX: Final = 10**18
"""No setting is greater: the compiled twin holds them in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """Bounds of one ``BookSync``. Times need the driver's clock; with ``received_ns=0`` only counts apply.

    Raises:
        UsageError: A value is negative, zero where that cannot work, or beyond ``SETTING_MAX`` (a share: beyond 1).

    Attributes:
        reset_window: A delta that ends more than this below the highest sequence seen means that the venue
            counts anew.
        reorder_hold_ms: How long a hole may be a mere reordering before it is a gap.
        reorder_hold_frames: The same in frames received while the hole is open.
        catch_up_ms: How long the stream may take to reach a snapshot that is ahead of it.
        catch_up_frames: The same in deltas of the symbol.
        first_delta_wait_ms: After the acknowledgement, how long to wait for a first delta before a snapshot is
            asked for anyway.
        snapshot_timeout_ms: A wish for a snapshot that went unanswered this long is repeated.
        snapshot_retry_ms: Delay before asking again after an unusable snapshot; doubles each time.
        snapshot_retry_max_ms: Cap of that delay.
        calm_frames: A book that proves wrong (crossed, failing an audit) within so many deltas of the last time
            asks with a delay.
        buffer_frames_max: Deltas kept while a snapshot or a missing delta is awaited.
        buffer_rows_max: Rows in them.
        levels_max: Levels a side.
        frame_bytes_max: Longest frame that is decoded.
        snapshot_bytes_max: Longest snapshot body that is decoded.
        link_silence_max_ms: Nothing heard on the link for this long: STALE. ``None``: no link timer (replay).
        symbol_silence_ms: No delta of the symbol for this long: ask for a probe. ``None``: never.
        probe_interval_ms: At most one probe is asked for in this time.
        probe_timeout_ms: A probe that went unanswered this long makes the book STALE: it is silent, and nobody can say
            why. ``None``: never.
        probe_catch_up_ms: How long the stream may take to reach a probe that is ahead of it, before the book is
            STALE.
        trusted_levels_min: Re-seed in the background when fewer than this share of a partial snapshot's levels
            are left on a side.
        audit_frames_max: Deltas kept while an audit waits for its snapshot.
        journal_max: Losses of LIVE remembered in the gap journal.
    """

    reset_window: int = 64
    reorder_hold_ms: int = 20
    reorder_hold_frames: int = 16
    catch_up_ms: int = 2_000
    catch_up_frames: int = 1_000
    first_delta_wait_ms: int = 1_000
    snapshot_timeout_ms: int = 10_000
    snapshot_retry_ms: int = 250
    snapshot_retry_max_ms: int = 8_000
    calm_frames: int = 1_000
    buffer_frames_max: int = 10_000
    buffer_rows_max: int = 1_000_000
    levels_max: int = 1_000_000
    frame_bytes_max: int = 4 * 2**20
    snapshot_bytes_max: int = 64 * 2**20
    link_silence_max_ms: int | None = 5_000
    symbol_silence_ms: int | None = 30_000
    probe_interval_ms: int = 5_000
    probe_timeout_ms: int | None = 10_000
    probe_catch_up_ms: int = 1_000
    trusted_levels_min: float = 0.5
    audit_frames_max: int = 10_000
    journal_max: int = 1_000

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if value is None and name in _OPTIONAL:
                continue
            kinds = (int, float) if name in _SHARES else (int,)
            least = 1 if name.endswith("_max") else 0
            most = 1 if name in _SHARES else SETTING_MAX
            if type(value) not in kinds or not least <= value <= most:
                kind = "a number" if name in _SHARES else "a whole number"
                raise UsageError(
                    f"setting {name} is {kind} of at least {least} and at most {most}, not {_short(value)}"
                )


_OPTIONAL = frozenset({"link_silence_max_ms", "symbol_silence_ms", "probe_timeout_ms"})
_SHARES = frozenset({"trusted_levels_min"})


def _short(value: object) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:
        return "a longer one"  # than CPython writes
