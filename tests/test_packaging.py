"""What is in the checkout is what an installation gets, and nothing in it belongs to one machine."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from orderbook.accelerator import MODULES
from tests.source_tree import PACKAGES, ROOT, imports, modules, plant

Rule = Callable[[Path], list[str]]

GENERATED = re.compile(
    r"\.(git|venv.*|hypothesis|(mypy|pytest|ruff)_cache|coverage.*)|__pycache__|build|dist|.*\.(egg-info|c|so|pyd)"
)
"""Names that .gitignore knows."""

MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:home|root|Users|work|workspace|builds)/[\w.]")
"""A path below somebody's home or workplace; not the path of a URL."""


def project(root: Path) -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def files(root: Path) -> Iterator[Path]:
    """Every file that can be committed."""
    for path in sorted(root.iterdir()):
        if not GENERATED.fullmatch(path.name):
            if path.is_dir():
                yield from files(path)
            else:
                yield path


def left_out(root: Path) -> list[str]:
    """Each file of the packages is a module of a named package, or data that a pattern covers."""
    setuptools = project(root)["tool"]["setuptools"]
    named = setuptools["packages"]["find"]["include"]
    data = [f"{package}/{glob}" for package, globs in setuptools["package-data"].items() for glob in globs]
    problems = []
    for path in (path for package in PACKAGES for path in files(root / package)):
        name = path.relative_to(root).as_posix()
        if path.suffix != ".py":
            if not any(Path(name).match(glob) for glob in data):
                problems.append(f"{name} matches nothing in package-data: a wheel would lack it")
        elif not (path.parent / "__init__.py").exists():
            problems.append(f"{name} lies in a folder without __init__.py: a wheel would lack it")
        elif not any(fnmatchcase(".".join(path.parent.relative_to(root).parts), pattern) for pattern in named):
            problems.append(f"{name} lies in a package that packages.find does not name: a wheel would lack it")
    return problems


def undeclared(root: Path) -> list[str]:
    """What the packages import is declared, as a dependency or in an extra, and what is declared is imported."""
    table = project(root)["project"]
    extras = [text for texts in table.get("optional-dependencies", {}).values() for text in texts]
    # The name of a distribution may have hyphens where its module has underscores.
    declared = {re.split(r"[^\w.-]", text)[0].replace("-", "_") for text in table["dependencies"] + extras}
    imported = {
        one.target.partition(".")[0]
        for path in modules(root).values()
        for one in imports(ast.parse(path.read_text(encoding="utf-8")))
    }
    foreign = imported - set(PACKAGES) - sys.stdlib_module_names
    return [
        *(
            f"{name} is imported but is not in [project] dependencies, nor in an extra"
            for name in sorted(foreign - declared)
        ),
        *(
            f"{name} is in [project] dependencies or in an extra but is not imported"
            for name in sorted(declared - foreign)
        ),
    ]


def machine_paths(root: Path) -> list[str]:
    """No text file names a place that only one machine has."""
    problems = []
    for path in files(root):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # compressed market data
        problems += [
            f"{path.relative_to(root)}, line {number}: {found.group()}..."
            for number, line in enumerate(lines, 1)
            if (found := MACHINE_PATH.search(line))
        ]
    return problems


RULES: tuple[Rule, ...] = (left_out, undeclared, machine_paths)


@pytest.mark.parametrize("rule", RULES)
def test_the_checkout_keeps_the_rule(rule: Rule) -> None:
    """Each rule, as its docstring words it, holds for every file here."""
    problems = rule(ROOT)

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told(package: str) -> None:
    """Both packages carry the marker that makes their type hints count."""
    assert (ROOT / package / "py.typed").is_file()


def test_all_of_the_compiled_twin_is_asked_for() -> None:
    """Whether there is a compiled twin is told by all of its modules: one that could not be built makes it none."""
    sources = (ROOT / "orderbook" / "compiled").glob("*.pyx")

    assert sorted(MODULES) == sorted(f"orderbook.compiled.{source.stem}" for source in sources)


def test_the_command_is_there() -> None:
    """Every console script names a function that can be called."""
    scripts = project(ROOT)["project"]["scripts"]

    assert ["orderbook"] == list(scripts)
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


PYPROJECT = """
[project]
dependencies = ["click>=8.1"]
[project.optional-dependencies]
metrics = ["some-metrics>=1"]
[tool.setuptools.packages.find]
include = ["orderbook", "orderbook.*", "snapshots"]
[tool.setuptools.package-data]
orderbook = ["py.typed", "data/*.txt", "native/*.pyx"]
"""

SOUND = {
    "pyproject.toml": PYPROJECT,
    "orderbook/__init__.py": "import click\nfrom os import path",
    "orderbook/py.typed": "",
    "orderbook/cli/__init__.py": "import orderbook, snapshots",
    "orderbook/cli/metrics.py": "def lazily():\n    import some_metrics.core",
    "orderbook/native/__init__.py": "",
    "orderbook/native/ladder.pyx": "",
    "orderbook/native/ladder.c": "",
    "orderbook/native/ladder.cpython-311-x86_64-linux-gnu.so": "",
    "orderbook/data/origin.txt": "https://example.org/home/page and a/home/of ~/home/x",
    "orderbook/__pycache__/x.pyc": "",
    "snapshots/__init__.py": "",
    ".venv/lib/x.py": "/" + "home/somebody",
}

PLANTED: tuple[tuple[Rule, dict[str, str], str], ...] = (
    (left_out, {"orderbook/sync/core.py": ""}, "orderbook/sync/core.py lies in a folder without __init__.py"),
    (left_out, {"snapshots/deep/__init__.py": ""}, "snapshots/deep/__init__.py lies in a package that"),
    (left_out, {"orderbook/data/demo.jsonl.gz": ""}, "orderbook/data/demo.jsonl.gz matches nothing"),
    (left_out, {"snapshots/py.typed": ""}, "snapshots/py.typed matches nothing"),
    (undeclared, {"snapshots/fetch.py": "def lazily():\n    import aiohttp.web"}, "aiohttp is imported but"),
    (undeclared, {"orderbook/__init__.py": ""}, "click is in [project] dependencies or"),
    (undeclared, {"orderbook/cli/metrics.py": ""}, "some_metrics is in [project] dependencies or in an extra but"),
    (machine_paths, {"README.md": "see\n/" + "home/somebody/notes"}, "README.md, line 2: /" + "home/s..."),
    (machine_paths, {"tests/x.py": "'/" + "root/.cache'"}, "tests/x.py, line 1: /" + "root/...."),
)


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_checkout_has_no_problems(rule: Rule, tmp_path: Path) -> None:
    """The rules let pass what they should."""
    assert [] == rule(plant(tmp_path, SOUND))


@pytest.mark.parametrize(("rule", "texts", "problem"), PLANTED)
def test_a_planted_fault_is_found(rule: Rule, texts: dict[str, str], problem: str, tmp_path: Path) -> None:
    """Each way to break a rule is reported, and as the only problem."""
    (found,) = rule(plant(tmp_path, SOUND | texts))

    assert found.startswith(problem)
