"""The real recording that the tests replay; where it comes from is told beside it."""

from __future__ import annotations

from typing import Final

from snapshots.capture import CaptureReader, read_capture
from tests.source_tree import ROOT

PATH: Final = ROOT / "tests" / "captures" / "kucoin-spot-20210425.jsonl.gz"
BUSIEST: Final = "BCHSV-USDT"


def read_bundled() -> CaptureReader:
    """Open it."""
    return read_capture(PATH)
