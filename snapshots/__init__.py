"""Getting, keeping and re-reading books."""

import logging

from snapshots.capture import CaptureError, CaptureReader, CaptureWriter, Problem, Record, read_capture

__all__ = ["CaptureError", "CaptureReader", "CaptureWriter", "Problem", "Record", "read_capture"]

# A library is silent unless somebody wants to hear it; without a handler, logging would print warnings to stderr.
logging.getLogger("snapshots").addHandler(logging.NullHandler())
