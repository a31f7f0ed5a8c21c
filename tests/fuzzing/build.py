"""The compiled twin once more, built to be watched: by our coverage, by sanitizers, or by libFuzzer.

Each build stands in a folder of its own, ``build/fuzzing/<flavour>``: the package as symbolic links, but for the
compiled modules. A process that has it first in its path runs on it; the build in the source tree is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent.parent
BUILT: Final = ROOT / "build" / "fuzzing"
PACKAGE: Final = ROOT / "orderbook"
READING: Final = (
    "batch",
    "content",
    "found",
    "lane",
    "numbers",
    "plan",
    "rows",
    "scanner",
    "skipping",
    "snapshot",
)
"""The compiled modules that see what came from outside: bytes, and numbers as they stood there, not judged yet."""
TRUSTING: Final = ("answers", "arrays", "blocks", "ladder", "measures", "queries", "sheet", "sides", "touch")
"""The others: they are given prices and sizes that are levels, and questions. A change of these voids no campaign."""
HOOK: Final = Path(__file__).with_name("coverage.c")
LIBRARY: Final = "coverage.so"


class BuildError(Exception):
    """It cannot be built here; the message says what is missing."""


class Flavour(NamedTuple):
    """A way of building.

    Attributes:
        compiler: Its name.
        flags: For the modules.
        watched: Whether our own coverage is linked in.
        preload: A library of the compiler's that must be loaded before Python.
        environment: Settings of that.
    """

    compiler: str
    flags: tuple[str, ...]
    watched: bool = True
    preload: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


FLAVOURS: Final = {
    "coverage": Flavour("gcc", ("-O2", "-fsanitize-coverage=trace-pc")),
    # Leaks are not looked for: an interpreter that ends leaves a lot behind. The campaign watches its memory instead.
    "sanitized": Flavour(
        "gcc",
        (
            *("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize-coverage=trace-pc"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        ),
        preload="libasan.so",
        environment=(
            ("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1"),
            ("UBSAN_OPTIONS", "print_stacktrace=1:abort_on_error=1"),
            ("PYTHONMALLOC", "malloc"),
        ),
    ),
    "libfuzzer": Flavour(
        "clang", ("-O2", "-g", "-fsanitize=fuzzer-no-link,undefined", "-fno-sanitize-recover=all"), watched=False
    ),
}


def modules() -> list[str]:
    """The names of the compiled modules."""
    return sorted(path.stem for path in (PACKAGE / "compiled").glob("*.pyx"))


def digests() -> dict[str, str]:
    """What is fuzzed, as it stands in the source tree: the native ``parser`` (``READING``), and all ``sources``."""
    parser, sources = (hashlib.blake2b(digest_size=6) for _ in range(2))
    for path in sorted(path for folder in (PACKAGE, ROOT / "snapshots") for path in folder.rglob("*.p[yx]*")):
        if path.suffix in (".py", ".pyx", ".pxd"):
            content = f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes()
            sources.update(content)
            if path.suffix != ".py" and path.stem in READING:
                parser.update(content)
    return {"parser": parser.hexdigest(), "sources": sources.hexdigest()}


def made(flavour: str) -> Path:
    """Build it, unless that was done since the sources last changed.

    Returns:
        The folder to be put first in the path of Python.

    Raises:
        BuildError: No compiler, no Cython, or they refuse the sources.
    """
    how, folder = FLAVOURS[flavour], BUILT / flavour
    stamp, wanted = folder / "stamp", _fingerprint(how)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    if shutil.which(how.compiler) is None:
        raise BuildError(f"this build needs {how.compiler}; install it with: apt-get install {how.compiler}")
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "orderbook" / "compiled"
    target.mkdir(parents=True)
    for entry in PACKAGE.iterdir():
        if entry.name not in ("compiled", "__pycache__"):
            (folder / "orderbook" / entry.name).symlink_to(entry)
    shutil.copy(PACKAGE / "compiled" / "__init__.py", target)
    if how.watched:
        _run([how.compiler, "-O2", "-shared", "-fPIC", str(HOOK), "-o", str(folder / LIBRARY)])
    for number, name in enumerate(modules()):
        _module(how, name, number, target)
    stamp.write_text(wanted, encoding="utf-8")
    return folder


def environment(flavour: str) -> dict[str, str]:
    """The environment of a process that runs on this build; builds it where needed. Raises ``BuildError``."""
    folder, how = made(flavour), FLAVOURS[flavour]
    found = {**os.environ, **dict(how.environment), "ORDERBOOK_ACCELERATOR": "require", "PYTHONSAFEPATH": "1"}
    found["PYTHONPATH"] = os.pathsep.join((str(folder), str(ROOT)))
    found["FUZZING_BUILD"] = flavour
    if how.watched:
        found["FUZZING_COVERAGE"] = str(folder / LIBRARY)
    if how.preload is not None:
        found["LD_PRELOAD"] = _run([how.compiler, f"-print-file-name={how.preload}"]).strip()
    return found


def _module(how: Flavour, name: str, number: int, target: Path) -> None:
    source, hook = target / f"{name}.c", target / f"{name}.hook.o"
    pyx = PACKAGE / "compiled" / f"{name}.pyx"
    try:
        _run([sys.executable, "-m", "cython", "-3", str(pyx), "--output-file", str(source)])
    except BuildError as error:
        if "No module named" in str(error):
            raise BuildError(
                f"this build needs Cython; install it with: {sys.executable} -m pip install cython"
            ) from None
        raise
    common = ["-fPIC", "-w", f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]
    objects = [str(source)]
    if how.watched:
        _run([how.compiler, "-O2", "-c", "-fPIC", f"-DMODULE={number}", str(HOOK), "-o", str(hook)])
        folder = target.parent.parent
        objects += [str(hook), str(folder / LIBRARY), f"-Wl,-rpath,{folder}"]
    module = target / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run([how.compiler, "-shared", *common, *how.flags, *objects, "-o", str(module)])


def _fingerprint(how: Flavour) -> str:
    whole = hashlib.blake2b(f"{how} {sys.version}".encode(), digest_size=16)
    for path in (HOOK, *sorted((PACKAGE / "compiled").glob("*.p[yx][xd]")), *sorted(PACKAGE.iterdir())):
        whole.update(path.name.encode())
        if path.is_file() and path.suffix != ".py":
            whole.update(path.read_bytes())
    return whole.hexdigest()


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:4])} ... failed:\n{done.stderr[-2000:]}")
    return done.stdout
