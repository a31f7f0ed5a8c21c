"""Joining the stream and the snapshot: the table (``table.py``), the machine that carries it out, and ``BookSync``."""

from __future__ import annotations

from orderbook.sync.core import BookSync

__all__ = ["BookSync"]
