"""Fixtures for pytest: a KuCoin for the tests of a bot. pytest finds them wherever this library is installed.

::

    @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=1, faults=[{"fault": "drop", "p": 0.01}])
    async def test_my_bot(virtual_kucoin):
        async with virtual_kucoin.open_feed() as feed:
            ...

``virtual_kucoin`` is one in memory, and a coroutine test that takes it runs in virtual time: its hours take no longer
than what happens in them. Neither pytest-asyncio nor another plugin is needed, and none is in the way. ``local_kucoin``
is one on real sockets, on a thread of its own, for bots that bring their own client.

The marker ``kucoin`` says how the venue is: by keywords, those of ``VirtualKuCoin`` and ``LocalKuCoin``. A test fails
at its end if its client broke a limit of the venue, unless the marker says ``check_limits=False``; and, in virtual
time, if it does not end within an hour, or ``time_limit_s`` of the marker (``None``: any time). What failed is told
with the seed and the faults; ``--kucoin-seed`` runs everything with another seed. Of the library's log a failure shows
the last lines, and with ``--log-level`` all.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

import pytest

# What is heavy is imported when a fixture is used: pytest loads this module in every project.
if TYPE_CHECKING:
    from orderbook.simulator.exchange import Exchange
    from orderbook.simulator.faults import FaultPlan
    from orderbook.testing.hosted import HostedKuCoin
    from orderbook.testing.virtual import VirtualKuCoin

MARKER: Final = "kucoin"
FIXTURES: Final = ("virtual_kucoin", "local_kucoin")
_OWN: Final = ("check_limits", "time_limit_s")
"""What a marker says of the test, and not of its venue."""
TITLE: Final = "the test's KuCoin"
TIME_LIMIT_S: Final = 3_600.0
"""Virtual seconds that a test may take, unless its marker says otherwise."""
LOG_LINES: Final = 10
"""Lines of the library's log that a failure shows."""
_OURS: Final = re.compile(r" orderbook(\.\w+)*:")
"""In a line of a log in pytest's format."""
_time_limit_s: ContextVar[float | None] = ContextVar("virtual seconds of the present test", default=TIME_LIMIT_S)


class Marked(NamedTuple):
    """What the markers of a test say.

    Attributes:
        options: For its venue.
        check_limits: Whether it fails when its client broke a limit.
        time_limit_s: Virtual seconds that it may take; ``None``: any number.
    """

    options: dict[str, Any]
    check_limits: bool
    time_limit_s: float | None


class Staged:
    """The venue of one test, for the report."""

    def __init__(self, node: pytest.Item, options: Mapping[str, Any], exchange: Exchange, *, is_virtual: bool) -> None:
        self._node = node
        self._options = options
        self._exchange = exchange
        self._is_virtual = is_virtual

    def told(self) -> str:
        """How to have the same venue again, and what it did."""
        seed, plan = self._options["seed"], self._options.get("faults")
        faults = [fault.text for fault in plan.faults] if plan is not None else []
        added = [f"at {since_ns / 1e9:.3f} s {text}" for since_ns, text in self._exchange.added]
        given = {name: value for name, value in self._options.items() if name not in ("seed", "faults")}
        again = f"again: pytest {self._node.nodeid!r} --kucoin-seed {seed}"
        lines = [
            f"seed: {seed}    ({again}{'' if self._is_virtual else '; in real time, so it may go otherwise'})",
            "faults of the marker: " + (f"[{', '.join(faults)}]" if faults else "none"),
            f"faults of the test: {'; '.join(added) or 'none'}",
            f"faults injected: {json.dumps(self._exchange.ledger.totals())}",
            f"limits broken by the client: {json.dumps(self._exchange.violations)}",
        ]
        if given:
            lines.append("other settings: " + ", ".join(f"{name}={value!r}" for name, value in given.items()))
        return "\n".join(lines)


STAGED: Final = pytest.StashKey[Staged]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--kucoin-seed``."""
    group = parser.getgroup("kucoin", "a KuCoin for tests of bots")
    group.addoption("--kucoin-seed", type=int, metavar="N", help="seed of every venue, whatever its marker says")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(symbols, seed, profile, rate, faults, check_limits, time_limit_s, ...): the venue of virtual_kucoin "
        "or local_kucoin, see orderbook.testing.plugin",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """A coroutine test that takes ``virtual_kucoin`` runs in virtual time; nobody else is to run it in another."""
    if not (collector.funcnamefilter(name) and inspect.iscoroutinefunction(obj)):
        return None
    if FIXTURES[0] not in inspect.signature(obj).parameters:
        return None
    from orderbook.testing.coroutines import in_virtual_time

    function = in_virtual_time(obj, limit_s=_time_limit_s.get)
    setattr(collector.obj, name, function)
    return collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=function)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of what failed how to have it again: after the traceback, before what was captured, however much that is."""
    report = yield
    staged = item.stash.get(STAGED, None)
    if staged is not None and report.failed:
        add = getattr(report.longrepr, "addsection", None)
        if add is None:
            report.sections.append((TITLE, staged.told()))
        else:
            # Options that hide what was captured do not hide it there.
            add(TITLE, staged.told())
        if item.config.getoption("log_level", None) is None:
            report.sections = [(name, _last_lines(text)) for name, text in report.sections]
    return report


def _last_lines(text: str) -> str:
    """Without all but the last lines of the library's own log: a storm has hundreds, and one says what another does."""
    lines = text.splitlines(keepends=True)
    early = {number for number, line in enumerate(lines) if _OURS.search(line)}
    early -= set(sorted(early)[-LOG_LINES:])
    if not early:
        return text
    note = f"({len(early)} lines of orderbook's log are left out here; pytest --log-level=WARNING shows them)\n"
    return note + "".join(line for number, line in enumerate(lines) if number not in early)


@pytest.fixture
def virtual_kucoin(request: pytest.FixtureRequest) -> Iterator[VirtualKuCoin]:
    """A KuCoin in memory. A coroutine test that takes it runs in virtual time, and finds it running."""
    from orderbook.testing.virtual import VirtualKuCoin

    marked = _marked(request, VirtualKuCoin)
    venue = _made(VirtualKuCoin, marked.options)
    request.node.stash[STAGED] = Staged(request.node, marked.options, venue.exchange, is_virtual=True)
    _time_limit_s.set(marked.time_limit_s)
    yield venue
    _time_limit_s.set(TIME_LIMIT_S)
    _check(venue.exchange, check_limits=marked.check_limits)


@pytest.fixture
def local_kucoin(request: pytest.FixtureRequest) -> Iterator[HostedKuCoin]:
    """A KuCoin on real sockets, which serves on a thread of its own while the test runs."""
    from orderbook.simulator.server import LocalKuCoin
    from orderbook.testing.hosted import HostedKuCoin

    marked = _marked(request, LocalKuCoin)
    venue = _made(HostedKuCoin, marked.options)
    request.node.stash[STAGED] = Staged(request.node, marked.options, venue.exchange, is_virtual=False)
    with venue:
        yield venue
    _check(venue.exchange, check_limits=marked.check_limits)


def _marked(request: pytest.FixtureRequest, kind: type) -> Marked:
    """What the markers say, those of the test before those of its class and module; checked."""
    from orderbook.simulator.limits import Manners

    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            _refuse(f"its settings are given by name, such as symbols=[...], and not as {marker.args[0]!r}")
        options |= marker.kwargs
    check_limits = options.pop("check_limits", True)
    if not isinstance(check_limits, bool):
        _refuse(f"check_limits is True or False, not {check_limits!r}")
    time_limit_s = _time_limit(options.pop("time_limit_s", TIME_LIMIT_S))
    parameters = inspect.signature(kind).parameters.values()
    names = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} | set(Manners.__slots__)
    for name in options:
        if name not in names:
            near = get_close_matches(name, {*names, *_OWN}, 1)
            _refuse(f"{kind.__name__} has no setting {name!r}; {_advice(near, names)}")
    seed = request.config.getoption("--kucoin-seed")
    options["seed"] = options.get("seed", 0) if seed is None else seed
    options["faults"] = _plan(options.get("faults"))
    return Marked(options, check_limits, time_limit_s)


def _time_limit(value: object) -> float | None:
    """Virtual seconds. A test on real sockets has no use for them."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        _refuse(f"time_limit_s is a positive number of virtual seconds, or None for no limit, not {value!r}")
    return value


def _plan(faults: object) -> FaultPlan | None:
    from orderbook.simulator.faults import FaultPlan

    if faults is None or isinstance(faults, FaultPlan):
        return faults
    plan: FaultPlan = _made(FaultPlan, {"entries": faults})
    return plan


def _made(kind: Any, options: Mapping[str, Any]) -> Any:
    from orderbook.errors import UsageError

    try:
        return kind(**options)
    except UsageError as error:
        why = str(error)
    # Not within the handler: pytest would show that error, too.
    return _refuse(why)


def _advice(near: Sequence[str], names: set[str]) -> str:
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join((*_OWN, *sorted(names)))}"


def _refuse(why: str) -> NoReturn:
    pytest.fail(f"@pytest.mark.{MARKER}: {why}", pytrace=False)


def _check(exchange: Exchange, *, check_limits: bool) -> None:
    """A bot that works here, and is thrown out by the venue, does not work."""
    if check_limits and exchange.violations:
        broken = ", ".join(f"{name} ({count} times)" for name, count in exchange.violations.items())
        pytest.fail(f"the client broke limits of the venue: {broken}", pytrace=False)
