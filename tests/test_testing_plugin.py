"""The fixtures as a bot's author has them: in a project of its own, with and without other plugins."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Callable

import pytest

from orderbook.testing import HostedKuCoin
from tests.source_tree import ROOT

Outcome = tuple[dict[str, int], str]
Run = Callable[..., Outcome]

ALONE = ("-p", "no:asyncio", "-p", "no:xdist", "-p", "no:cov", "-p", "no:hypothesispytest")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a test file in a project of its own; what became of its tests, and what was printed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def runs(text: str, *args: str, process: bool = False) -> Outcome:
        pytester.makepyfile(text)
        pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
        plugin = ("-p", "no:orderbook", "-p", "orderbook.testing.plugin", "-p", "no:cacheprovider")
        start = pytester.runpytest_subprocess if process else pytester.runpytest_inprocess
        result = start(*plugin, *(args if process else (*ALONE, *args)))
        return result.parseoutcomes(), result.stdout.str()

    return runs


def test_the_plugin_is_found_where_the_library_is_installed() -> None:
    """The entry point of the distribution names a module that has the fixtures."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (target,) = table["entry-points"]["pytest11"].values()
    module = importlib.import_module(target)

    assert all(hasattr(module, name) for name in ("virtual_kucoin", "local_kucoin"))
    assert not any(text.startswith("pytest") for text in table["dependencies"])


def test_nothing_but_the_plugin_imports_pytest() -> None:
    """Whoever has the library without pytest has all the rest; and a pytest run without fixtures pays for little."""
    script = (
        "import sys; sys.modules['pytest'] = None; import orderbook.testing as t; [getattr(t, n) for n in t.__all__]"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    script = "import sys, orderbook.testing.plugin; sys.exit(bool({'aiohttp', 'websockets'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


STORY = """
    import asyncio
    import pytest

    pytestmark = pytest.mark.kucoin(symbols=["BTC-USDT"], rate=0.01)

    @pytest.mark.kucoin(seed=7)
    class TestBot:
        async def test_it_waits_for_minutes_in_no_time(self, virtual_kucoin):
            loop = asyncio.get_running_loop()
            async with virtual_kucoin.open_feed() as feed:
                book = await feed.ready("BTC-USDT")
                before = loop.time()
                await asyncio.sleep(600)
                assert 599 < loop.time() - before < 601
                assert book.is_live

        @pytest.mark.parametrize("number", [1, 2])
        async def test_it_takes_other_arguments(self, virtual_kucoin, number, tmp_path):
            assert list(virtual_kucoin.market) == ["BTC-USDT"]

    async def test_in_a_module(virtual_kucoin):
        await asyncio.sleep(500)

    def test_that_is_no_coroutine(virtual_kucoin):
        from orderbook.testing import run

        async def story():
            async with virtual_kucoin as venue:
                await asyncio.sleep(500)

        run(story)
"""


SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize(
    "options", [ALONE, SCOPE, (*SCOPE, "-o", "asyncio_mode=auto")], ids=["alone", "strict", "auto"]
)
def test_coroutines_run_in_virtual_time(project: Run, options: tuple[str, ...]) -> None:
    """Without pytest-asyncio, and with it in both of its modes."""
    outcome, text = project(STORY, *options, process=True)

    assert {"passed": 5} == outcome, text


def test_a_failure_says_how_to_have_it_again(project: Run) -> None:
    """The seed, the faults that were asked for and those that struck, and the settings."""
    story = """
        import asyncio
        import pytest

        @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=7, rate=20, faults=[{"fault": "drop", "nth": 3}])
        async def test_it(virtual_kucoin):
            async with virtual_kucoin.open_feed() as feed:
                await feed.ready("BTC-USDT")
                await asyncio.sleep(10)
                assert 1 == 2
    """
    outcome, text = project(story)

    assert {"failed": 1} == outcome
    assert "seed: 7 " in text
    assert "test_it' --kucoin-seed 7" in text
    assert 'faults of the marker: [{"fault": "drop", "nth": 3}]' in text
    assert 'faults injected: {"drop": 1}' in text
    assert "symbols=['BTC-USDT'], rate=20" in text


def test_another_seed_from_the_command_line(project: Run) -> None:
    """It is stronger than the marker."""
    story = """
        import pytest

        @pytest.mark.kucoin(seed=7)
        async def test_it(virtual_kucoin):
            assert virtual_kucoin.stream("x").random() == 0
    """
    _, text = project(story, "--kucoin-seed", "8")

    assert "seed: 8 " in text


BREAKS_LIMITS = """
    import asyncio
    import pytest

    @pytest.mark.kucoin(symbols=["BTC-USDT"]{more})
    async def test_it(virtual_kucoin):
        # Thirty connections in a minute are allowed, with or without a token.
        for _ in range(31):
            virtual_kucoin.exchange.connect("/?token=x", virtual_kucoin.now_ns())
"""


def test_a_client_that_breaks_limits_fails_at_the_end(project: Run) -> None:
    """The test itself passed; the venue would have thrown the bot out."""
    outcome, text = project(BREAKS_LIMITS.format(more=""))

    assert {"passed": 1, "errors": 1} == outcome
    assert "the client broke limits of the venue: bad_token (31 times), connects (1 times)" in text
    assert "limits broken by the client: {" in text


def test_that_can_be_switched_off(project: Run) -> None:
    """For tests of what comes after."""
    assert {"passed": 1} == project(BREAKS_LIMITS.format(more=", check_limits=False"))[0]


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ("'BTC-USDT'", "its settings are given by name, such as symbols=[...], and not as 'BTC-USDT'"),
        ("symbol=['BTC-USDT']", "VirtualKuCoin has no setting 'symbol'; did you mean 'symbols'?"),
        ("zzz=1", "VirtualKuCoin has no setting 'zzz'; there is check_limits, dialect, faults,"),
        ("profile='wild'", "no market profile 'wild'"),
        ("faults=[{'fault': 'dorp'}]", "fault plan, entry 1 ('dorp'): no such fault; did you mean drop?"),
        ("check_limits=1", "check_limits is True or False, not 1"),
    ],
)
def test_a_wrong_marker_is_explained(project: Run, marker: str, problem: str) -> None:
    """In one line, without a traceback."""
    outcome, text = project(
        f"import pytest\n@pytest.mark.kucoin({marker})\nasync def test_it(virtual_kucoin):\n    pass\n"
    )

    assert {"errors": 1} == outcome
    assert f"@pytest.mark.kucoin: {problem}" in text
    assert "Traceback" not in text


def test_the_test_is_nearer_than_its_class_and_its_module(project: Run) -> None:
    """What it does not say, they do."""
    story = """
        import pytest

        pytestmark = pytest.mark.kucoin(symbols=["ETH-USDT"], profile="quiet")

        @pytest.mark.kucoin(symbols=["BTC-USDT"])
        def test_it(virtual_kucoin):
            assert ["BTC-USDT"] == list(virtual_kucoin.market)
            assert "quiet" == virtual_kucoin.market["BTC-USDT"].profile.name
    """
    assert {"passed": 1} == project(story)[0]


def test_bots_with_their_own_client_have_real_sockets(project: Run) -> None:
    """From a test that blocks, and from one with a loop of its own."""
    story = """
        import asyncio
        import json
        import urllib.request

        import orderbook
        import pytest
        from orderbook.testing import assert_true

        pytestmark = pytest.mark.kucoin(symbols=["BTC-USDT"], rate=50, seed=3)

        def test_that_blocks(local_kucoin):
            with urllib.request.urlopen(local_kucoin.url + "/api/v1/timestamp") as answer:
                assert "200000" == json.load(answer)["code"]

        def test_with_a_feed(local_kucoin):
            async def main():
                options = {"url": local_kucoin.url, "credentials": local_kucoin.credentials}
                async with orderbook.open_feed("kucoin", ["BTC-USDT"], **options) as feed:
                    book = await feed.ready("BTC-USDT", timeout_s=20)
                    local_kucoin.ask(assert_true, book, local_kucoin.market["BTC-USDT"])
                    local_kucoin.strike({"fault": "disconnect"})
                    async for told in feed.events():
                        if isinstance(told.event, orderbook.StateChanged):
                            return

            asyncio.run(main())
            assert 1 == local_kucoin.exchange.ledger.count("disconnect")
    """
    outcome, text = project(story)

    assert {"passed": 2} == outcome, text


def test_a_venue_that_cannot_start_says_why_and_leaves_no_thread() -> None:
    """Such as on a port that another one has."""
    with HostedKuCoin(symbols=1) as venue:
        port = int(venue.url.rpartition(":")[2])
        with pytest.raises(Exception, match="in use"), HostedKuCoin(symbols=1, port=port):
            pass
    assert not venue._thread.is_alive()
