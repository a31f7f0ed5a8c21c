"""The library as pytest finds it where it is installed: beside this checkout's configuration, and for the examples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.source_tree import ROOT

ALONE = ("-p", "no:asyncio", "-p", "no:xdist", "-p", "no:cov", "-p", "no:hypothesispytest")


@pytest.mark.parametrize("options", [(), ("-p", "no:orderbook")])
def test_this_repository_and_an_installed_library_get_along(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Whether pytest has found the plugin by itself before it reads the checkout's ``conftest.py``, or not."""
    installed(pytester.path, monkeypatch)
    pytester.makeini("[pytest]")
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile("def test_it(virtual_kucoin):\n    assert virtual_kucoin")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:asyncio", *options)

    assert {"passed": 1} == result.parseoutcomes(), result.stdout.str()


@pytest.mark.parametrize("where", ["a checkout", "a folder"])
def test_the_examples_need_pytest_and_the_library(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No development tools, no configuration: where they are, and copied elsewhere."""
    installed(pytester.path, monkeypatch)
    folder = ROOT
    if where == "a folder":
        folder = pytester.path
        copytree(ROOT / "examples", folder / "examples", ignore=ignore_patterns("*.ini", "__pycache__"))
        pytester.makeini("[pytest]")
    script = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    options = ("-q", *ALONE, "-p", "no:timeout", "-p", "no:cacheprovider", "-k", "calm")
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *options, "examples"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "1 passed, 3 deselected" in done.stdout


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processes of a test find the library, and its entry point, as if it were installed."""
    metadata = folder / "site" / "orderbook_engine-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: orderbook-engine\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\norderbook = orderbook.testing.plugin\n")
    for package in ("orderbook", "snapshots"):
        (metadata.parent / package).symlink_to(ROOT / package)
    monkeypatch.setenv("PYTHONPATH", str(metadata.parent))
