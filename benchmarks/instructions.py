"""How many machine instructions a frame takes on the compiled lane: a count that no busy machine disturbs.

    python -m benchmarks.instructions              compare with benchmarks/instructions.json
    python -m benchmarks.instructions --update     write that file anew

Two runs under valgrind, one with more frames than the other; what they differ by, a frame, is the result: making the
book and starting Python fall out of it. The exit code is 1 beyond the tolerance, and 2 where it cannot be measured.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it also runs as a plain script

from benchmarks.workloads import SYMBOL, Message, busy, frame

COMMITTED: Final = Path(__file__).with_suffix(".json")
ROOT: Final = Path(__file__).resolve().parent.parent
FEW, MANY = 2_000, 12_000
TOLERANCE: Final = 0.03

SCRIPT: Final = """
import pickle, sys
import orderbook
first, body, frames = pickle.load(open(sys.argv[1], "rb"))
sync = orderbook.BookSync("kucoin", sys.argv[2])
sync.receive(first)
sync.receive_snapshot(body, depth="full")
receive, book = sync.receive, sync.book
for frame in frames:
    receive(frame)
    if sys.argv[3] == "read":
        book.best_bid.price
        book.best_ask.price
assert book.is_live and book.sequence == int(sys.argv[4]), book.reason
"""
"""What is counted: a book that takes frames, in the plainest of loops."""


def counted(frames: int, what: str, folder: Path) -> int:
    """Instructions of a whole run with so many frames."""
    workload = busy(frames)
    first = frame(Message([], [], workload.sequence, workload.sequence))
    path = folder / "frames"
    path.write_bytes(pickle.dumps((first, workload.body(), workload.frames())))
    # What would differ from run to run: hashes, threads of a library that is not used, modules compiled anew.
    fixed = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    chosen = {"ORDERBOOK_ACCELERATOR": "require", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    variables = {**os.environ, **fixed, **chosen}
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'profile'}"]
    script = [sys.executable, "-c", SCRIPT, str(path), SYMBOL, what, str(workload.messages[-1].end)]
    subprocess.run(script, env=variables, check=False)
    run = [*command, *script]
    done = subprocess.run(run, env=variables, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise click.ClickException(f"the run failed: {done.stderr.strip()[-400:]}")
    return int(found[1])


def measured() -> dict[str, int]:
    """Instructions a frame, alone and with best bid and ask read after it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for what in ("frame", "read"):
            few, many = (counted(frames, what, Path(folder)) for frames in (FEW, MANY))
            found[what] = round((many - few) / (MANY - FEW))
    return found


@click.command(help=__doc__)
@click.option("--update", is_flag=True, help="Write the committed numbers anew.")
def main(*, update: bool) -> None:
    """Measure, and compare."""
    if shutil.which("valgrind") is None:
        print("there is no valgrind; install it with: apt-get install valgrind", file=sys.stderr)
        sys.exit(2)
    found = measured()
    if update:
        of = f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}"
        COMMITTED.write_text(json.dumps({"of": of, "instructions": found}, indent=2) + "\n", encoding="utf-8")
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    worst = 0.0
    print(f"instructions a frame of W1 (committed: {committed['of']}):")
    for what, number in found.items():
        change = number / committed["instructions"][what] - 1
        worst = max(worst, change)
        print(f"  {what:6} {number:7,}  {change:+.1%}")
    if worst > TOLERANCE:
        print(
            f"more than {TOLERANCE:.0%} above what is committed; if that is meant, run with --update", file=sys.stderr
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
