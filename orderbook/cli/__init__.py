"""The command line. Data goes to stdout, everything else to stderr; 0 means success."""

from __future__ import annotations

from orderbook.cli.app import main

__all__ = ["main"]
