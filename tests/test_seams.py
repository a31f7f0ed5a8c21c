"""A live feed gets time, chance, network, files and threads through seams: arguments that a test can replace.

So a day can run in seconds and any wire can be cut. A clock that is read directly breaks that silently, and is found
here: what reaches outside may stand as a default value of an argument or of a field, and else only where it is listed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_tree import ROOT, modules, plant

OUTSIDE: dict[str, tuple[str, ...]] = {
    "clock": ("time", "datetime"),
    "chance": ("random", "secrets", "uuid", "os.urandom", "numpy.random"),
    "network": (
        "socket",
        "ssl",
        "aiohttp",
        "websockets",
        "picows",
        "python_socks",
        "http.client",
        "urllib.request",
        "asyncio.open_connection",
        "asyncio.start_server",
    ),
    "files": ("open", "io.open", "os.open", "gzip.open", "tempfile", "shutil", "io.FileIO"),
    "threads": ("threading", "concurrent", "multiprocessing", "subprocess", "asyncio.to_thread"),
}
"""What belongs to the machine, by seam: whole modules, or single names of one."""

HARMLESS = {
    "random.Random": "a stream with a seed, or a type",
    "random.SystemRandom": "the default of a seam, made by name",
    "threading.Lock": "keeps two feeds in two threads apart, and waits for nothing",
    "threading.TIMEOUT_MAX": "a number",
    "threading.current_thread": "tells which one runs",
    "threading.main_thread": "tells which one is the program's",
    "ssl.SSLContext": "a type",
    "ssl.SSLCertVerificationError": "a type",
    "ssl.CERT_REQUIRED": "a number",
}
"""What reaches nothing by itself."""

PLACES: dict[tuple[str, str], str] = {
    ("orderbook.clock", "clock"): "tells whether a loop's time is the machine's",
    ("orderbook.feed.opening", "clock"): "composes a feed: here the real seams are chosen",
    ("snapshots.budget", "clock"): "the ledger that all loops of the process share has the machine's clock",
    ("orderbook.feed.seams", "chance"): "the default of an identifier",
    ("orderbook.feed.websocket", "network"): "is the connector",
    ("orderbook.feed.aiohttp_socket", "network"): "is another one",
    ("orderbook.feed.picows_socket", "network"): "is the fast one",
    ("snapshots.transport", "network"): "is the HTTP client",
    ("orderbook.feed.forks", "network"): "gives a forked child dead sockets for its parent's",
    ("snapshots.capture_writer", "files"): "is the file writer",
    ("snapshots.capture", "files"): "is the file reader",
    ("snapshots.recorder", "threads"): "is the recorder: its thread keeps the disk away from the loop",
    ("snapshots.recorder_queue", "threads"): "hands over to that thread",
    ("orderbook.feed.threaded", "threads"): "is a thread, for those without asyncio",
}
"""Where a seam is made: module and seam, each with its reason."""

NOT_THE_FEED = ("orderbook.cli", "orderbook.ui", "orderbook.simulator", "orderbook.testing", "orderbook.__main__")
"""What people run, and what feeds are tested with; nothing of a feed imports it."""


def dotted(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def defaults(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node within a default value of an argument or of a field."""
    for node in ast.walk(tree):
        values: list[ast.expr] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            values = [value for value in [*node.args.defaults, *node.args.kw_defaults] if value is not None]
        elif isinstance(node, ast.ClassDef):
            values = [one.value for one in node.body if isinstance(one, ast.AnnAssign) and one.value is not None]
        for value in values:
            yield from ast.walk(value)


def annotated(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node within an annotation: it is not run."""
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if isinstance(value := getattr(node, name, None), ast.expr):
                yield from ast.walk(value)


def uses(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every dotted name of something imported or built in that is used, with its line; the longest form of it."""
    names = dotted(tree)
    skipped = {id(node) for node in (*defaults(tree), *annotated(tree))}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if id(node) in skipped or id(node) in inner or not isinstance(node, ast.Name | ast.Attribute):
            continue
        head, _, rest = (_chain(node) or "").partition(".")
        if head in names:
            yield names[head] + (f".{rest}" if rest else ""), node.lineno
        elif head == "open" and not rest and isinstance(node.ctx, ast.Load):
            yield head, node.lineno


def _chain(node: ast.expr) -> str | None:
    """``a.b.c`` as it stands; ``None`` for an attribute of anything else than a name."""
    if isinstance(node, ast.Name):
        return node.id
    if not isinstance(node, ast.Attribute):
        return None
    before = _chain(node.value)
    return None if before is None else f"{before}.{node.attr}"


def seam_of(name: str) -> str | None:
    """To which seam a dotted name belongs."""
    if any(name == known or name.startswith(f"{known}.") for known in HARMLESS):
        return None
    for seam, known_names in OUTSIDE.items():
        if any(name == known or name.startswith(f"{known}.") for known in known_names):
            return seam
    return None


def breaches(root: Path) -> list[str]:
    """Everything of the machine that is used where no seam is made."""
    problems, used = [], set()
    for module, path in modules(root).items():
        if module.startswith(NOT_THE_FEED):
            continue
        for name, line in uses(ast.parse(path.read_text(encoding="utf-8"))):
            seam = seam_of(name)
            if seam is not None and (module, seam) not in PLACES:
                problems.append(f"{module}, line {line}: {name} passes the seam for {seam} by: take it as an argument")
            used.add((module, seam))
    unused = [
        f"{module} no longer makes a seam for {seam}: forget the exception" for module, seam in PLACES.keys() - used
    ]
    return problems + (unused if root == ROOT else [])


def test_the_feed_reaches_outside_through_its_seams_only() -> None:
    """No clock, chance, network, file or thread is used but by default, or where the seam itself is made."""
    assert [] == breaches(ROOT)


PLANTED = (
    ("import time\ndef f():\n    return time.monotonic()", "line 3: time.monotonic passes the seam for clock"),
    ("from time import time_ns\nNOW = time_ns()", "line 2: time.time_ns passes"),
    ("import time as t\ndef f():\n    t.sleep(1)", "time.sleep passes"),
    ("from datetime import datetime\ndef f():\n    return datetime.now()", "datetime.datetime.now passes"),
    ("import random\ndef f():\n    return random.uniform(0, 1)", "random.uniform passes the seam for chance"),
    ("from uuid import uuid4\ndef f():\n    return uuid4().hex", "uuid.uuid4 passes"),
    ("import os\ndef f():\n    return os.urandom(8)", "os.urandom passes"),
    ("import socket\ndef f():\n    return socket.create_connection(('h', 1))", "passes the seam for network"),
    ("import aiohttp\ndef f():\n    return aiohttp.ClientSession()", "aiohttp.ClientSession passes"),
    ("import asyncio\nasync def f():\n    await asyncio.open_connection('h', 1)", "asyncio.open_connection passes"),
    ("def f():\n    return open('x')", "line 2: open passes the seam for files"),
    (
        "import threading\ndef f():\n    threading.Thread(target=f).start()",
        "threading.Thread passes the seam for threads",
    ),
    ("import asyncio\nasync def f():\n    await asyncio.to_thread(f)", "asyncio.to_thread passes"),
)
HARMLESS_USES = (
    "import time\ndef f(clock=time.monotonic_ns):\n    return clock()",
    "import time\ndef f(*, clock=time.monotonic_ns):\n    return clock()",
    "import time\nclass A:\n    clock: object = time.time_ns",
    "import random\ndef f(rng: random.Random) -> float:\n    return rng.uniform(0, 1)",
    "import random\ndef f():\n    return random.Random(1).uniform(0, 1)",
    "import threading\nLOCK = threading.Lock()",
    "def f(book):\n    return book.open()",
)


@pytest.mark.parametrize(("text", "problem"), PLANTED)
def test_a_breach_is_found(text: str, problem: str, tmp_path: Path) -> None:
    """Each way past a seam is reported, wherever it stands, and as the only problem."""
    (found,) = breaches(plant(tmp_path, {"orderbook/feed/novel.py": text}))

    assert problem in found


@pytest.mark.parametrize("text", HARMLESS_USES)
def test_a_seam_is_no_breach(text: str, tmp_path: Path) -> None:
    """What can be replaced, and what reaches nothing, passes."""
    assert [] == breaches(plant(tmp_path, {"orderbook/feed/novel.py": text}))


def test_what_people_run_may_reach_outside(tmp_path: Path) -> None:
    """The command line asks the machine's clock itself."""
    assert [] == breaches(plant(tmp_path, {"orderbook/cli/novel.py": "import time\nNOW = time.time()"}))


EVALUATES = {"pickle", "marshal", "shelve", "dill", "eval", "exec", "compile"}
"""What turns bytes of others into code of ours."""


def evaluated(root: Path) -> list[str]:
    """Whatever could make code of data, anywhere in the packages."""
    return [
        f"{module}, line {line}: {name}"
        for module, path in modules(root).items()
        for name, line in called(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0] in EVALUATES
    ]


def called(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names that are called or imported, as they are written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _chain(node.func)) is not None:
            yield name, node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def test_nothing_is_unpickled_or_evaluated(tmp_path: Path) -> None:
    """A capture of somebody else's is data, and stays so."""
    assert [] == evaluated(ROOT)
    for text in ("import pickle", "from marshal import loads", "x = eval('1')", "import shelve"):
        assert evaluated(plant(tmp_path, {"orderbook/novel.py": text}))
