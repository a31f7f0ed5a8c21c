"""The recording that comes with the library."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Final

from snapshots.capture import CaptureReader, read_capture

NAME: Final = "kucoin-spot-20210425.jsonl.gz"
TITLE: Final = "KuCoin spot, recorded 2021-04-25"
VENUE: Final = "kucoin"
BUSIEST: Final = "BCHSV-USDT"


def read_bundled() -> CaptureReader:
    """Open it; it works from a zip archive, too."""
    return read_capture(io.BytesIO(files("orderbook").joinpath("data", NAME).read_bytes()))
