"""The house has floors: imports point strictly downward, and the lower floors do no I/O.

A newcomer reads from the bottom up and never needs a later file; a core without clock, socket or file can be tried with
any history in memory. Both are read from the source here, so nothing has to be run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.source_tree import PACKAGES, ROOT, Import, imports, modules, plant, resolve

Rule = Callable[[Path], list[str]]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("orderbook.errors",),
    ("orderbook.redact", "orderbook.secret"),
    ("orderbook.fixedpoint",),
    ("orderbook.types",),
    ("orderbook.streams",),
    ("orderbook.accelerator", "orderbook.compiled"),
    ("orderbook.ladder",),
    ("orderbook.twin",),
    ("orderbook.content",),
    ("orderbook.arguments", "orderbook.forms", "orderbook.queries", "orderbook.results"),
    ("orderbook.guard", "orderbook.horizon"),
    ("orderbook.side",),
    ("orderbook.reader",),
    ("orderbook.book",),
    ("orderbook.own",),
    ("orderbook.conditions", "orderbook.events", "orderbook.settings"),
    ("orderbook.condition_text",),
    ("orderbook.venues",),
    ("orderbook.sync",),
    ("orderbook.__init__",),
    ("orderbook.clock",),
    ("snapshots.errors",),
    ("snapshots.blocks", "snapshots.records"),
    ("snapshots.capture_writer",),
    ("snapshots.capture",),
    ("snapshots.recorder_queue",),
    ("snapshots.scribe",),
    ("snapshots.recorder",),
    ("snapshots.checks", "snapshots.sniff"),
    ("snapshots.report",),
    ("snapshots.replay", "snapshots.audit"),
    ("snapshots.streams",),
    ("snapshots.__init__",),
    ("snapshots.quota",),
    ("snapshots.budget", "snapshots.transport", "snapshots.venue_clock"),
    ("snapshots.calls",),
    ("snapshots.fetch",),
    ("orderbook.feed",),
    ("orderbook.live",),
    ("orderbook.simulator",),
    ("orderbook.testing",),
    ("orderbook.ui",),
    ("orderbook.cli", "orderbook.__main__"),
)
"""Lowest first. A package stands for all that it contains; ``__init__`` stands for that one file alone."""

PURE = sum(LAYERS[: LAYERS.index(("orderbook.__init__",)) + 1], ())
"""What does no I/O: bytes in, values out."""

UPWARD_IN_ANNOTATIONS = {
    ("orderbook.errors", "orderbook.types"): "errors name the state and the side that they are about",
}
"""Arrows that may point upward, under TYPE_CHECKING only, each with its reason."""

UPWARD_WHEN_ASKED_FOR = {
    ("orderbook", "orderbook.live"): "the live part is imported when one of its names is first asked for",
}
"""Arrows that may point upward, within a function or under TYPE_CHECKING."""

PURE_IMPORTS = {
    *("__future__", "abc", "collections", "dataclasses", "enum", "inspect", "types", "typing"),
    *("bisect", "functools", "heapq", "itertools", "operator"),
    *("decimal", "fractions", "math", "numpy", "sortedcontainers"),
    *("hashlib", "hmac", "ipaddress"),
    *("base64", "binascii", "json", "re", "string", "struct", "urllib.parse", "zlib"),
}
"""All that the pure part may import from outside: a list of what is harmless cannot forget a clock."""

PURE_EXCEPTIONS = {
    ("orderbook", "importlib"): "the live part is imported when it is first asked for",
    ("orderbook.accelerator", "os"): "one environment variable chooses the twin, once",
    ("orderbook.accelerator", "sys"): "the command line is told in one line what is wrong with that variable",
    ("orderbook.sync.batch", "mmap"): "a type of buffer that is taken, in annotations only",
    ("orderbook.ladder.reference", "sys"): "a ladder tells its size in memory",
    ("orderbook.accelerator", "importlib"): "whether there is a compiled twin",
}

IMPURE_BUILTINS = {"breakpoint", "exec", "eval", "input", "open", "print"}

USERS_OF_SNAPSHOTS = ("orderbook.feed.opening", "orderbook.simulator.capture", "orderbook.testing", "orderbook.cli")
"""What fetches, records and plays captures."""

LINES_MAX = 400
"""Longer files have more than one reason to change."""
LINES_LIMIT = 600
"""No reason is good enough for more than this."""
LONG_FILES: dict[str, str] = {}
"""Files that may be longer than ``LINES_MAX``, each with its reason."""


def layer_of(module: str) -> int | None:
    """Index of the layer that ``module`` is placed in, ``None`` if it has no place."""
    for index, layer in enumerate(LAYERS):
        for place in layer:
            if module == place.removesuffix(".__init__") or module.startswith(f"{place}."):
                return index
    return None


def is_above(module: str, other: str) -> bool:
    """Whether ``module`` stands on a higher floor than ``other``; not told of a module without a place."""
    layer, other_layer = layer_of(module), layer_of(other)
    return layer is not None and other_layer is not None and layer > other_layer


def parsed(root: Path) -> dict[str, tuple[ast.Module, list[Import]]]:
    """Syntax tree and imports of every module."""
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(root).items()}
    return {name: (tree, imports(tree)) for name, tree in trees.items()}


def without_a_place(root: Path) -> list[str]:
    """Every module stands in one layer, every entry of a layer is one, and no entry covers another."""
    known = modules(root)
    places = [place for layer in LAYERS for place in layer]
    return [
        *(
            f"{module} has no place: add it to LAYERS in tests/test_layering.py, on the lowest floor above its imports"
            for module in known
            if layer_of(module) is None
        ),
        *(
            f"{place} stands in LAYERS twice"
            for index, place in enumerate(places)
            for other in places[:index] + places[index + 1 :]
            if place == other or place.startswith(f"{other}.")
        ),
    ]


def upward_arrows(root: Path) -> list[str]:
    """An import points to the same layer or a lower one; annotations too, but for the listed exceptions."""
    known = modules(root)
    problems = []
    used = set()
    for module, (_, found) in parsed(root).items():
        for one in found:
            where = f"{module}, line {one.line}: "
            target = resolve(one.target, known)
            if (module, target) in UPWARD_WHEN_ASKED_FOR:
                continue
            if one.target.startswith("."):
                problems.append(f"{where}import {one.target} by its full name")
            elif one.type_only and (module, target) in UPWARD_IN_ANNOTATIONS:
                used.add((module, target))
            elif target and is_above(target, module):
                problems.append(f"{where}imports {one.target}, which stands above it")
    unused = [f"{a} no longer imports {b}: forget the exception" for a, b in UPWARD_IN_ANNOTATIONS.keys() - used]
    return problems + unused


def imports_of_snapshots(root: Path) -> list[str]:
    """The library does without the package ``snapshots``, but where a live feed is composed."""
    known = parsed(root)
    return [
        f"{module}, line {one.line}: imports {one.target}, which only {', '.join(USERS_OF_SNAPSHOTS)} may"
        for module, (_, found) in known.items()
        for one in found
        if module.startswith("orderbook") and not module.startswith(USERS_OF_SNAPSHOTS)
        if one.target.partition(".")[0] == "snapshots"
    ]


def cycles(root: Path) -> list[str]:
    """No module needs itself, by whatever detour. What only annotations need does not count."""
    known = modules(root)
    graph = {
        module: {target for one in found if not one.type_only and (target := resolve(one.target, known))} - {module}
        for module, (_, found) in parsed(root).items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["cycle: " + " -> ".join(reversed(error.args[1]))]
    return []


def impurities(root: Path) -> list[str]:
    """The pure part imports only what is listed, and calls no built-in that does I/O."""
    problems = []
    for module, (tree, found) in parsed(root).items():
        if (layer_of(module) or 0) > LAYERS.index(("orderbook.__init__",)):
            continue
        problems += [
            f"{module}, line {one.line}: the pure part may not import {one.target}"
            for one in found
            if one.target.partition(".")[0] not in PACKAGES and not allowed_in_pure(module, one.target)
        ]
        problems += [
            f"{module}, line {node.lineno}: the pure part may not call {node.func.id}()"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS
        ]
    return problems


def allowed_in_pure(module: str, target: str) -> bool:
    """Whether ``target``, from outside, may be imported by ``module``."""
    names = {target, *(target[:i] for i, char in enumerate(target) if char == ".")}
    return "numpy.random" not in names and bool(
        names & PURE_IMPORTS or {(module, name) for name in names} & PURE_EXCEPTIONS.keys()
    )


def long_files(root: Path) -> list[str]:
    """A file has at most ``LINES_MAX`` lines, or a listed reason; none has more than ``LINES_LIMIT``."""
    problems = []
    tops = ("orderbook", "snapshots", "tests", "benchmarks", "examples")
    for path in sorted(path for top in tops for path in (root / top).rglob("*.py")):
        name, lines = path.relative_to(root).as_posix(), len(path.read_text(encoding="utf-8").splitlines())
        if lines > (LINES_LIMIT if name in LONG_FILES else LINES_MAX):
            problems.append(f"{name} has {lines} lines, more than {LINES_MAX}: which of its two subjects moves out?")
    return problems


RULES: tuple[Rule, ...] = (without_a_place, upward_arrows, imports_of_snapshots, cycles, impurities, long_files)


@pytest.mark.parametrize("rule", RULES)
def test_the_checkout_keeps_the_rule(rule: Rule) -> None:
    """Each rule, as its docstring words it, holds for every file here."""
    problems = rule(ROOT)

    assert not problems, "\n".join(problems)


def test_the_checkout_is_read() -> None:
    """The rules above look at the real modules and at their real imports."""
    found = parsed(ROOT)

    assert {"orderbook", "orderbook.types", "orderbook.ladder.reference", "snapshots"} <= found.keys()
    assert "orderbook.fixedpoint.Number" in [one.target for one in found["orderbook.types"][1]]


PLANTED: tuple[tuple[Rule, dict[str, str], str], ...] = (
    (without_a_place, {"orderbook/novel.py": ""}, "orderbook.novel has no place"),
    (without_a_place, {"orderbook/bookish.py": ""}, "orderbook.bookish has no place"),
    (without_a_place, {"snapshots/novel/__init__.py": ""}, "snapshots.novel has no place"),
    (upward_arrows, {"orderbook/types.py": "import orderbook.book"}, "line 1: imports orderbook.book,"),
    (upward_arrows, {"orderbook/types.py": "from orderbook import book"}, "imports orderbook.book,"),
    (upward_arrows, {"orderbook/types.py": "from orderbook.book import OrderBook"}, "orderbook.book.OrderBook,"),
    (upward_arrows, {"orderbook/types.py": "from orderbook import OrderBook"}, "imports orderbook.OrderBook,"),
    (upward_arrows, {"orderbook/types.py": "def late():\n    import orderbook.book"}, "line 2: imports"),
    (upward_arrows, {"orderbook/types.py": "import_module('orderbook.book')"}, "imports orderbook.book,"),
    (upward_arrows, {"orderbook/types.py": "if TYPE_CHECKING:\n    import orderbook.book"}, "imports orderbook.book,"),
    (upward_arrows, {"orderbook/fixedpoint.py": "from orderbook.types import Side"}, "orderbook.types.Side,"),
    (upward_arrows, {"orderbook/types.py": "from . import errors"}, "import ..errors by its full name"),
    (upward_arrows, {"orderbook/sync/joining.py": "import snapshots"}, "imports snapshots,"),
    (upward_arrows, {"orderbook/book.py": "import orderbook.sync.joining"}, "imports orderbook.sync.joining,"),
    (upward_arrows, {"snapshots/replay.py": "import orderbook.cli"}, "imports orderbook.cli,"),
    (upward_arrows, {"orderbook/errors.py": ""}, "orderbook.errors no longer imports orderbook.types"),
    (imports_of_snapshots, {"orderbook/feed/link.py": "import snapshots.fetch"}, "line 1: imports snapshots.fetch,"),
    (
        cycles,
        {"orderbook/venues/a.py": "import orderbook.venues.b", "orderbook/venues/b.py": "import orderbook.venues.a"},
        "orderbook.venues.a -> orderbook.venues.b",
    ),
    (
        cycles,
        {
            "orderbook/ladder/a.py": "from orderbook.ladder import Ladder",
            "orderbook/ladder/__init__.py": "from orderbook.ladder.a import A",
        },
        "cycle: ",
    ),
    (impurities, {"orderbook/sync/joining.py": "import asyncio"}, "may not import asyncio"),
    (impurities, {"orderbook/venues/a.py": "from time import monotonic_ns"}, "may not import time.monotonic_ns"),
    (impurities, {"orderbook/book.py": "import urllib.request"}, "may not import urllib.request"),
    (impurities, {"orderbook/book.py": "from numpy.random import default_rng"}, "may not import numpy.random"),
    (impurities, {"orderbook/book.py": "import os"}, "may not import os"),
    (impurities, {"orderbook/ladder/a.py": "import os"}, "may not import os"),
    (impurities, {"orderbook/book.py": "def f():\n    import aiohttp"}, "may not import aiohttp"),
    (impurities, {"orderbook/book.py": "def f():\n    return open('x')"}, "line 2: the pure part may not call open()"),
    (long_files, {"orderbook/book.py": "x = 1\n" * 401}, "orderbook/book.py has 401 lines"),
    (long_files, {"tests/unit/test_x.py": "x = 1\n" * 401}, "tests/unit/test_x.py has 401 lines"),
)

SOUND = {
    "orderbook/__init__.py": "from orderbook.book import OrderBook",
    "orderbook/errors.py": "if TYPE_CHECKING:\n    from orderbook.types import Side",
    "orderbook/types.py": "from orderbook import errors\nfrom typing import NamedTuple",
    "orderbook/accelerator.py": "import os\nfrom importlib.util import find_spec",
    "orderbook/ladder/__init__.py": "from collections.abc import Iterator",
    "orderbook/book.py": "import numpy as np\nfrom urllib.parse import urlsplit\n" + "x = 1\n" * 398,
    "orderbook/sync/joining.py": "",
    "orderbook/cli/__init__.py": "import asyncio, orderbook, snapshots.replay\nprint()",
    "snapshots/__init__.py": "",
    "snapshots/replay.py": "from orderbook import OrderBook\nfrom pathlib import Path",
}


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_checkout_has_no_problems(rule: Rule, tmp_path: Path) -> None:
    """The rules let pass what they should."""
    assert [] == rule(plant(tmp_path, SOUND))


@pytest.mark.parametrize(("rule", "files", "problem"), PLANTED)
def test_a_planted_fault_is_found(rule: Rule, files: dict[str, str], problem: str, tmp_path: Path) -> None:
    """Each way to break a rule is reported, and as the only problem."""
    (found,) = rule(plant(tmp_path, SOUND | files))

    assert problem in found


def test_an_allowed_long_file_has_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed reason buys lines up to the hard limit, not without end."""
    monkeypatch.setitem(LONG_FILES, "orderbook/book.py", "one table")

    assert [] == long_files(plant(tmp_path, {"orderbook/book.py": "x = 1\n" * LINES_LIMIT}))
    assert 1 == len(long_files(plant(tmp_path, {"orderbook/book.py": "x = 1\n" * (LINES_LIMIT + 1)})))
