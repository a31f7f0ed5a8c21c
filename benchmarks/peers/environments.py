"""An environment for each group of peers, made once from pinned requirements and kept under ``build/``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS: Final = Path(__file__).resolve().parent / "requirements"
BUILD: Final = ROOT / "build" / "peers"
PREFERRED: Final = ("python3.12", "python3.13", "python3.14", "python3")
"""Interpreters in order: 3.12 is the one that all peers run on."""
HUMMINGBOT: Final = "hummingbot==20260922"


class NotHere(Exception):
    """A peer cannot be installed here; says why."""


def interpreter(wanted: str | None) -> str:
    """An interpreter for the environments: the one asked for, else the first of those preferred that runs.

    Raises:
        NotHere: The one asked for does not run.
    """
    for name in (wanted,) if wanted else (*PREFERRED, sys.executable):
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0
        ):
            return path
    raise NotHere(f"{wanted or 'no Python'} does not run, or has no venv module")


def made(name: str, python: str, say: Callable[[str], None]) -> tuple[str, dict[str, str]]:
    """An environment, made if it is not there.

    Args:
        name: Of a file of requirements.
        python: The interpreter it is made with.
        say: Told of what takes time.

    Returns:
        Its interpreter, and the variables to run it with.

    Raises:
        NotHere: Something could not be installed or built.
    """
    folder = BUILD / name
    sources = _sources() if name == "ours" else []
    stamp = folder / "made-for"
    text = _digest(python, [REQUIREMENTS / f"{name}.txt", *sources])
    inside = folder / "environment" / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != text:
        say(f"making the environment {name} ...")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _run([python, "-m", "venv", str(folder / "environment")], name)
        _pip(str(inside), ["install", "--requirement", str(REQUIREMENTS / f"{name}.txt")], name)
        if name == "ours":
            _build_ours(str(inside), folder)
        elif name == "hummingbot":
            _build_hummingbot(str(inside), folder)
        stamp.write_text(text, encoding="utf-8")
    # Not from the current folder, which may hold a package of the same name as a copy made here.
    own = [str(folder / "source")] if (folder / "source").exists() else []
    return str(inside), {**os.environ, "PYTHONPATH": os.pathsep.join([*own, str(ROOT)]), "PYTHONSAFEPATH": "1"}


def _sources() -> list[Path]:
    return [path for path in sorted((ROOT / "orderbook").rglob("*.p*")) if path.suffix in (".py", ".pyx", ".pxd")]


def _digest(python: str, paths: Sequence[Path]) -> str:
    found = hashlib.sha256(python.encode())
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()


def _run(command: Sequence[str], name: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise NotHere(f"{name}: {' '.join(command[1:4])} ... failed: {last[-1]:.300}")


def _pip(python: str, arguments: Sequence[str], name: str) -> None:
    _run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], name)


def _build_ours(python: str, folder: Path) -> None:
    """A copy of the checkout's package with its compiled twin, for this interpreter."""
    source = folder / "source" / "orderbook"
    shutil.copytree(ROOT / "orderbook", source, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    shutil.copy(ROOT / "setup.py", folder / "source")
    _run([python, "setup.py", "--quiet", "build_ext", "--inplace"], "ours", folder / "source")


HUMMINGBOT_SETUP: Final = """
import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

core = "hummingbot/core/"
modules = {
    "pubsub": ["pubsub.pyx", "cpp/PyRef.cpp"],
    "event.event_listener": ["event/event_listener.pyx"],
    "data_type.order_book_query_result": ["data_type/order_book_query_result.pyx"],
    "data_type.order_book": ["data_type/order_book.pyx", "cpp/OrderBookEntry.cpp", "cpp/Utils.cpp"],
}
extensions = [
    Extension(
        f"hummingbot.core.{name}",
        [core + file for file in files],
        language="c++",
        include_dirs=[numpy.get_include(), core + "cpp"],
        extra_compile_args=["-O3", "-std=c++11"],
    )
    for name, files in modules.items()
]
modules = cythonize(extensions, language_level=3, force=True)
setup(name="book", ext_modules=modules, script_args=["build_ext", "--inplace"])
"""


def _build_hummingbot(python: str, folder: Path) -> None:
    """Only its order book, and what that needs, from the source distribution; the whole would take an hour."""
    options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--dest", str(folder)]
    _pip(python, ["download", *options, HUMMINGBOT], "hummingbot")
    archive = next(folder.glob("hummingbot-*.tar.gz"))
    with tarfile.open(archive) as file:
        file.extractall(folder / "unpacked", filter="data")
    shutil.move(str(next((folder / "unpacked").glob("hummingbot-*"))), folder / "source")
    # Beside the package lies much else, of which tests and scripts would only be in the way.
    for path in (folder / "source").iterdir():
        if path.name != "hummingbot":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "source" / "build_book.py").write_text(HUMMINGBOT_SETUP, encoding="utf-8")
    _run([python, "build_book.py"], "hummingbot", folder / "source")
