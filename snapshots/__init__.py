"""Getting, keeping and re-reading books."""

from snapshots.capture import CaptureError, CaptureReader, CaptureWriter, Problem, Record, read_capture

__all__ = ["CaptureError", "CaptureReader", "CaptureWriter", "Problem", "Record", "read_capture"]
