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
at its end if its client broke a limit of the venue, unless the marker says ``check_limits=False``. What failed is told
with the seed and the faults; ``--kucoin-seed`` runs everything with another seed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import pytest

# What is heavy is imported when a fixture is used: pytest loads this module in every project.
if TYPE_CHECKING:
    from orderbook.simulator.exchange import Exchange
    from orderbook.testing.hosted import HostedKuCoin
    from orderbook.testing.virtual import VirtualKuCoin

MARKER: Final = "kucoin"
FIXTURES: Final = ("virtual_kucoin", "local_kucoin")


class Staged:
    """The venue of one test, for the report."""

    def __init__(self, node: pytest.Item, options: Mapping[str, Any], faults: object, exchange: Exchange) -> None:
        self._node = node
        self._options = options
        self._faults = faults
        self._exchange = exchange

    def told(self) -> str:
        """How to have the same venue again, and what it did."""
        seed = self._options["seed"]
        faults = json.dumps(self._faults, default=str)
        given = {name: value for name, value in self._options.items() if name not in ("seed", "faults")}
        lines = [
            f"seed: {seed}    (again: pytest {self._node.nodeid!r} --kucoin-seed {seed})",
            f"faults of the marker: {faults}",
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
        f"{MARKER}(symbols, seed, profile, rate, faults, check_limits, ...): the venue of virtual_kucoin or "
        "local_kucoin, see orderbook.testing.plugin",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> Any:
    """A coroutine test that takes ``virtual_kucoin`` runs in virtual time; nobody else is to run it in another."""
    if not (collector.funcnamefilter(name) and inspect.iscoroutinefunction(obj)):
        return None
    if FIXTURES[0] not in inspect.signature(obj).parameters:
        return None
    from orderbook.testing.coroutines import in_virtual_time  # noqa: PLC0415 - see above

    function = in_virtual_time(obj)
    setattr(collector.obj, name, function)
    return collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=function)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of what failed how to have it again."""
    report = yield
    staged = item.stash.get(STAGED, None)
    if staged is not None and report.failed:
        report.sections.append(("the test's KuCoin", staged.told()))
    return report


@pytest.fixture
def virtual_kucoin(request: pytest.FixtureRequest) -> Iterator[VirtualKuCoin]:
    """A KuCoin in memory. A coroutine test that takes it runs in virtual time, and finds it running."""
    from orderbook.testing.virtual import VirtualKuCoin  # noqa: PLC0415 - see above

    options, check_limits, faults = _options(request, VirtualKuCoin)
    venue = _made(VirtualKuCoin, options)
    request.node.stash[STAGED] = Staged(request.node, options, faults, venue.exchange)
    yield venue
    _check(venue.exchange, check_limits=check_limits)


@pytest.fixture
def local_kucoin(request: pytest.FixtureRequest) -> Iterator[HostedKuCoin]:
    """A KuCoin on real sockets, which serves on a thread of its own while the test runs."""
    from orderbook.simulator.server import LocalKuCoin  # noqa: PLC0415 - see above
    from orderbook.testing.hosted import HostedKuCoin  # noqa: PLC0415 - see above

    options, check_limits, faults = _options(request, LocalKuCoin)
    venue = _made(HostedKuCoin, options)
    request.node.stash[STAGED] = Staged(request.node, options, faults, venue.exchange)
    with venue:
        yield venue
    _check(venue.exchange, check_limits=check_limits)


def _options(request: pytest.FixtureRequest, kind: type) -> tuple[dict[str, Any], bool, object]:
    """What the markers say, those of the test before those of its class and module; checked."""
    from orderbook.simulator.limits import Manners  # noqa: PLC0415 - see above

    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            _refuse(f"its settings are given by name, such as symbols=[...], and not as {marker.args[0]!r}")
        options |= marker.kwargs
    check_limits = options.pop("check_limits", True)
    if not isinstance(check_limits, bool):
        _refuse(f"check_limits is True or False, not {check_limits!r}")
    parameters = inspect.signature(kind).parameters.values()
    names = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD} | set(Manners.__slots__)
    for name in options:
        if name not in names:
            near = get_close_matches(name, {*names, "check_limits"}, 1)
            _refuse(f"{kind.__name__} has no setting {name!r}; {_advice(near, names)}")
    seed = request.config.getoption("--kucoin-seed")
    options["seed"] = options.get("seed", 0) if seed is None else seed
    faults = options.get("faults")
    if isinstance(faults, Sequence) and not isinstance(faults, str):
        options["faults"] = _plan(faults)
    return options, check_limits, faults


def _plan(faults: Sequence[object]) -> object:
    from orderbook.simulator.faults import FaultPlan  # noqa: PLC0415 - see above

    return _made(FaultPlan, {"entries": faults})


def _made(kind: Any, options: Mapping[str, Any]) -> Any:
    from orderbook.errors import UsageError  # noqa: PLC0415 - see above

    try:
        return kind(**options)
    except UsageError as error:
        _refuse(str(error))


def _advice(near: Sequence[str], names: set[str]) -> str:
    return f"did you mean {near[0]!r}?" if near else f"there is check_limits, {', '.join(sorted(names))}"


def _refuse(why: str) -> None:
    pytest.fail(f"@pytest.mark.{MARKER}: {why}", pytrace=False)


def _check(exchange: Exchange, *, check_limits: bool) -> None:
    """A bot that works here, and is thrown out by the venue, does not work."""
    if check_limits and exchange.violations:
        broken = ", ".join(f"{name} ({count} times)" for name, count in exchange.violations.items())
        pytest.fail(f"the client broke limits of the venue: {broken}", pytrace=False)
