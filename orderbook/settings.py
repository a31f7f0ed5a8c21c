"""Every bound and wait of the synchroniser, with its default. Reaching a bound is an event, never a silence."""

from __future__ import annotations

from dataclasses import dataclass, fields

from orderbook.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """Bounds of one ``BookSync``. Times need the driver's clock; with ``received_ns=0`` only counts apply.

    Raises:
        UsageError: A value is negative, or zero where that cannot work.
    """

    reset_window: int = 64
    """A delta that ends more than this below the highest sequence seen means that the venue counts anew."""
    reorder_hold_ms: int = 20
    """How long a hole may be a mere reordering before it is a gap."""
    reorder_hold_frames: int = 16
    """The same in frames received while the hole is open."""
    catch_up_ms: int = 2_000
    """How long the stream may take to reach a snapshot that is ahead of it."""
    catch_up_frames: int = 1_000
    """The same in deltas of the symbol."""
    first_delta_wait_ms: int = 1_000
    """After the acknowledgement, how long to wait for a first delta before a snapshot is asked for anyway."""
    snapshot_timeout_ms: int = 10_000
    """A wish for a snapshot that went unanswered this long is repeated."""
    snapshot_retry_ms: int = 250
    """Delay before asking again after an unusable snapshot; doubles each time."""
    snapshot_retry_max_ms: int = 8_000
    """Cap of that delay."""
    calm_frames: int = 1_000
    """A book that proves wrong (crossed, failing an audit) within so many deltas of the last time asks with a delay."""
    buffer_frames_max: int = 10_000
    """Deltas kept while a snapshot or a missing delta is awaited."""
    buffer_rows_max: int = 1_000_000
    """Rows in them."""
    levels_max: int = 1_000_000
    """Levels a side."""
    frame_bytes_max: int = 4 * 2**20
    """Longest frame that is decoded."""
    snapshot_bytes_max: int = 64 * 2**20
    """Longest snapshot body that is decoded."""
    link_silence_max_ms: int | None = 5_000
    """Nothing heard on the link for this long: STALE. ``None``: no link timer (replay)."""
    symbol_silence_ms: int | None = 30_000
    """No delta of the symbol for this long: ask for a probe. ``None``: never."""
    probe_interval_ms: int = 5_000
    """At most one probe is asked for in this time."""
    probe_catch_up_ms: int = 1_000
    """How long the stream may take to reach a probe that is ahead of it, before the book is STALE."""
    trusted_levels_min: float = 0.5
    """Re-seed in the background when fewer than this share of a partial snapshot's levels are left on a side."""
    audit_frames_max: int = 10_000
    """Deltas kept while an audit waits for its snapshot."""
    journal_max: int = 1_000
    """Losses of LIVE remembered in the gap journal."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            least = 1 if field.name.endswith("_max") and field.name != "snapshot_retry_max_ms" else 0
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
                raise UsageError(f"setting {field.name} is a number of at least {least}, not {value!r}")
