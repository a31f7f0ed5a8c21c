"""What other programs of the machine say."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.source_tree import ROOT


def said(*command: str) -> str | None:
    """What a program, run at the root of the checkout, says on stdout; ``None`` if it fails or is not there."""
    program = shutil.which(command[0])
    if program is None:
        return None
    done = subprocess.run(
        [program, *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return None if done.returncode else done.stdout.strip()
