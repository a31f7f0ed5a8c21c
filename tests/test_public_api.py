"""What users may rely on by name, what importing it costs, and that every name says what it is for."""

from __future__ import annotations

import enum
import inspect
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args

import pytest

import orderbook
import snapshots
from orderbook.twin import touch_property
from tests.source_tree import ROOT

ORDERBOOK = [
    "ACCELERATOR",
    "Alert",
    "Alerts",
    "AuditFailed",
    "AuditPassed",
    "BBO",
    "BadAnswer",
    "Band",
    "BeyondHorizon",
    "BookNotLive",
    "BookState",
    "BookSync",
    "BookView",
    "CallbackFailed",
    "Change",
    "Condition",
    "ConditionError",
    "ConditionFailed",
    "Credentials",
    "Crossed",
    "Delta",
    "Depth",
    "Event",
    "Feed",
    "FeedClosed",
    "FeedError",
    "FeedEvent",
    "FeedHealth",
    "FeedSettings",
    "Fill",
    "ForkedFeed",
    "FrameError",
    "FrameRejected",
    "Gap",
    "KeyRefused",
    "Level",
    "LevelDifference",
    "LimitReached",
    "LinkDown",
    "LinkError",
    "LinkHealth",
    "LinkReplaced",
    "LinkUp",
    "LoopBlocked",
    "Loss",
    "Marked",
    "MassResync",
    "MassResyncEnded",
    "MessageRejected",
    "Missed",
    "NeedProbe",
    "NeedSnapshot",
    "NetBook",
    "NetView",
    "NoCredentials",
    "NotInTime",
    "NotReady",
    "NumberError",
    "OrderBook",
    "OrderBookError",
    "OrdersNotSynced",
    "Overdrawn",
    "OwnKeeper",
    "OwnOrder",
    "OwnOrderCounters",
    "OwnOrders",
    "OwnQueue",
    "PortInUse",
    "QueueAhead",
    "RateLimited",
    "Recorded",
    "RecordingFailed",
    "RecordingResumed",
    "Refused",
    "RestError",
    "SequenceReset",
    "Side",
    "SnapshotRejected",
    "StateChanged",
    "Stream",
    "StreamNotReady",
    "SubscribeError",
    "Subscription",
    "SubscriptionRefused",
    "SymbolStatus",
    "SyncCounters",
    "SyncSettings",
    "ThreadedFeed",
    "UnknownSymbol",
    "UnknownVenue",
    "Unreachable",
    "Update",
    "UsageError",
    "VenueError",
    "first",
    "open_feed",
    "parse_condition",
]
SNAPSHOTS = ["CaptureError", "CaptureReader", "CaptureWriter", "Problem", "Record", "read_capture"]

# Needed by the live feed, the command line and the terminal only.
HEAVY = ["aiohttp", "asyncio", "click", "rich", "snapshots", "ssl", "threading", "websockets"]


@pytest.mark.parametrize(
    ("package", "names"), [(orderbook, ORDERBOOK), (snapshots, SNAPSHOTS)], ids=["orderbook", "snapshots"]
)
def test_the_public_names(package: ModuleType, names: list[str]) -> None:
    """Exactly these: to add one is a promise, to take one away breaks somebody's bot."""
    assert sorted(names) == sorted(package.__all__)
    assert all(hasattr(package, name) for name in names)


def test_nothing_else_looks_public() -> None:
    """A name without an underscore that is not promised is a submodule, or an import of the package itself."""
    for package in (orderbook, snapshots):
        visible = {name for name, value in vars(package).items() if not isinstance(value, ModuleType)}
        assert set() == {name for name in visible if not name.startswith("_")} - {*package.__all__, "annotations"}


def test_every_event_is_public() -> None:
    """Whoever gets an event can name its type."""
    assert {event.__name__ for event in get_args(orderbook.Event)} <= set(orderbook.__all__)


def test_every_error_is_public() -> None:
    """Whoever gets an error of the library can catch it by name, and all of them at once."""

    def below(error: type[Exception]) -> Iterator[type[Exception]]:
        for inner in error.__subclasses__():
            yield inner
            yield from below(inner)

    errors = {error for error in below(orderbook.OrderBookError) if error.__module__.startswith("orderbook.")}

    assert {error.__name__ for error in errors} <= set(orderbook.__all__)


def test_importing_it_is_cheap() -> None:
    """The core needs nothing of the live feed, the command line or the terminal."""
    script = "import sys; before = set(sys.modules); import orderbook; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "orderbook" in loaded
    assert [] == [name for name in HEAVY if name in loaded]


def test_the_version_is_that_of_the_project() -> None:
    """One version, in one form."""
    line = f'version = "{orderbook.__version__}"'

    assert line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()


def documented(name: str, thing: Any) -> Iterator[tuple[str, str | None]]:
    """A public class or function and its public members that are ours, each with its docstring."""
    if not callable(thing) or get_args(thing):
        return
    yield name, thing.__doc__
    if not inspect.isclass(thing):
        return
    for owner in thing.__mro__:
        if owner.__module__.partition(".")[0] not in ("orderbook", "snapshots"):
            continue
        for member, value in vars(owner).items():
            function = getattr(value, "__func__", value)
            is_ours = inspect.isroutine(function) and getattr(function, "__module__", None) == owner.__module__
            if not member.startswith("_") and (is_ours or isinstance(value, property | touch_property)):
                yield f"{name}.{member}", value.__doc__


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in (orderbook, snapshots) for name in package.__all__]
)
def test_every_public_name_is_documented(package: ModuleType, name: str) -> None:
    """Classes, functions, methods and properties, the inherited ones too; not what Python writes for a dataclass."""
    thing = getattr(package, name)
    found = dict(documented(name, thing))

    assert [] == [path for path, text in found.items() if not text or text.startswith(f"{name}(")]
    if inspect.isclass(thing) and not issubclass(thing, enum.Enum):
        assert name in found


def test_the_documentation_is_looked_for_where_it_is() -> None:
    """The test above would see a method, an inherited one and a property without a docstring."""
    found = dict(documented("OrderBook", orderbook.OrderBook))

    assert {
        "OrderBook",
        "OrderBook.apply_snapshot",
        "OrderBook.best_bid",
        "OrderBook.fill",
        "OrderBook.is_live",
    } <= found.keys()
    assert "CaptureReader.__iter__" not in dict(documented("CaptureReader", snapshots.CaptureReader))
