"""JSON decoders alone, on the frames that the peers take: what merely making Python objects of them costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module

from benchmarks.peers.clock import Sample, loop_of, samples_of
from benchmarks.peers.frames import float_frames, text_frames
from benchmarks.peers.measures import arrived, chunks


def decoders(frames: Sequence[bytes]) -> dict[str, list[Sample]]:
    """Samples of each decoder, in ns a frame."""
    msgspec = import_module("msgspec")
    orjson = import_module("orjson")

    made = {
        "json.loads": json.loads,
        "orjson.loads": orjson.loads,
        "msgspec.json.decode": msgspec.json.decode,
        "msgspec Struct, texts": text_frames()[0],
        "msgspec Struct, floats": float_frames()[0],
    }
    return {
        name: samples_of(loop_of("decode(frame)", {"decode": decode}, "frame"), chunks(frames, arrived))[0]
        for name, decode in made.items()
    }
