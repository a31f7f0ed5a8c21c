"""``python -m orderbook``: the command line."""

from __future__ import annotations

from orderbook.cli import main

if __name__ == "__main__":
    main(prog_name="orderbook")
