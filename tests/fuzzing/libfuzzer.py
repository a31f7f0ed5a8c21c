"""The same targets under libFuzzer, by way of Atheris: another judgement of what is new, and other mutations.

``python -m tests.fuzzing.libfuzzer frames -runs=100000`` needs clang, and ``atheris`` in the environment. It keeps no
ledger: what it finds is written as the campaign's failures are, and ends it.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.fuzzing.build import BUILT, BuildError, environment
from tests.fuzzing.cases import TARGETS, Case, reproduce, write
from tests.fuzzing.target import Disagreement, Target

RUNTIME: Final = "ubsan_with_fuzzer.so"
WRITTEN: Final = 300
"""Inputs written by the rules of the format, to start from beside the real ones."""


def _one(target: Target, rng: random.Random) -> Callable[[bytes], None]:
    """What is given an input."""
    scenario, inputs = 0, list[bytes]()

    def begin() -> None:
        nonlocal scenario
        scenario = int(rng.random() * target.scenarios)
        inputs.clear()
        target.begin(scenario)

    def one(data: bytes) -> None:
        inputs.append(bytes(data))
        try:
            target.take(inputs[-1])
            if target.over:
                target.close()
                begin()
        except Disagreement as found:
            path = write(Case(target.name, scenario, tuple(inputs), found.law, found.detail))
            sys.stderr.write(f"{found}\n  {reproduce(path)}\n")
            raise

    begin()
    return one


def main() -> None:
    """Run it; in a second process, before which clang's runtime is loaded."""
    try:
        atheris: Any = import_module("atheris")
    except ImportError:
        raise SystemExit("this needs Atheris; install it with: python -m pip install atheris") from None
    if os.environ.get("FUZZING_BUILD") != "libfuzzer":
        try:
            found = environment("libfuzzer") | {"LD_PRELOAD": str(Path(atheris.path()) / RUNTIME)}
        except BuildError as error:
            raise SystemExit(str(error)) from None
        os.execve(sys.executable, [sys.executable, "-m", "tests.fuzzing.libfuzzer", *sys.argv[1:]], found)
    name, *options = sys.argv[1:] or ["frames"]
    target = TARGETS[name]()
    corpus, words = _prepared(target)
    # Not from short inputs to long ones: those to start from are long. A mutator of our own is not called by the
    # runtime that has to be loaded first.
    fixed = ["-len_control=0", "-max_len=16384", f"-dict={words}", str(corpus)]
    atheris.Setup([name, *fixed, *options], _one(target, random.Random(0)))
    atheris.Fuzz()


def _prepared(target: Target) -> tuple[Path, Path]:
    """A folder of inputs to start from, which it adds to, and a file of words."""
    corpus = BUILT / "atheris" / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    for data in (*target.seeds(), *(target.written(rng) for _ in range(WRITTEN))):
        (corpus / blake2b(data, digest_size=12).hexdigest()).write_bytes(data)
    words = corpus.with_suffix(".words")
    lines = ["".join(f"\\x{byte:02x}" for byte in word) for word in target.words()]
    words.write_text("".join(f'"{line}"\n' for line in lines), encoding="ascii")
    return corpus, words


if __name__ == "__main__":
    main()
