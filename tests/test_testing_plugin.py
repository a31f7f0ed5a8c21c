"""The fixtures as a bot's author has them: in a project of its own, with and without other plugins."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable

import pytest

from orderbook.testing import HostedKuCoin
from tests.source_tree import ROOT

# A pytest run within this process forgets what it was the first to import. Imported once more, the compiled part of
# picows would go on to raise the exceptions of the first time, which nobody knows any more.
importlib.import_module("orderbook.feed.picows_socket")

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
    assert "faults of the test: none" in text


STORM = """
    import asyncio
    import pytest

    @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=7, rate=20)
    async def test_it(virtual_kucoin):
        async with virtual_kucoin.open_feed() as feed:
            await feed.ready("BTC-USDT")
            virtual_kucoin.strike({"fault": "drop", "every": 4}, {"fault": "stall"})
            await asyncio.sleep(12)
            print("said by", "the test")
            assert 1 == 2
"""


def test_what_the_test_itself_let_go_wrong_is_told(project: Run) -> None:
    """With when; a marker that says nothing says nothing."""
    _, text = project(STORM)

    assert "faults of the marker: none" in text
    assert re.search(
        r'faults of the test: at 0\.\d{3} s {"every": 4, "fault": "drop"}; at 0\.\d{3} s {"fault": "st', text
    )


@pytest.mark.parametrize("option", ["--show-capture=no", "--tb=short", "--tb=native"])
def test_it_is_told_whatever_is_hidden(project: Run, option: str) -> None:
    """What was captured may be hidden, or the traceback short."""
    _, text = project(STORM, option)

    assert 1 == text.count("seed: 7 ")
    assert ("said by the test" in text) == (option != "--show-capture=no")


def test_it_stands_before_the_log_and_the_log_is_short(project: Run) -> None:
    """A storm is not what is looked for. All of it is there with ``--log-level``."""
    _, text = project(STORM)
    _, whole = project(STORM, "--log-level=WARNING")

    assert text.index("seed: 7 ") < text.index("Captured log call")
    assert 10 == text.count(" orderbook.feed:")
    left_out = int(text.partition(" lines of orderbook's log are left out here")[0].rpartition("(")[2])
    assert left_out + 10 == whole.count(" orderbook.feed:") > 30
    assert "left out" not in whole


def test_other_logs_are_left_alone(project: Run) -> None:
    """Those of the bot are all there, in their order; and the test can read what the library logged."""
    story = """
        import logging
        import pytest

        def test_it(virtual_kucoin, caplog):
            for number in range(30):
                logging.getLogger("bot").warning("of the bot: %d", number)
                logging.getLogger("orderbook.feed").warning("ours: %d", number)
            assert 60 == len(caplog.records)
            assert 1 == 2
    """
    _, text = project(story)

    told = re.findall(r"of the bot: \d+|ours: \d+", text)
    expected = [f"of the bot: {number}" for number in range(20)]
    expected += [f"{who}: {number}" for number in range(20, 30) for who in ("of the bot", "ours")]
    assert expected == told


HANGS = """
    import asyncio
    import pytest

    @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=7, rate=0.01{more})
    async def test_it(virtual_kucoin):
        await asyncio.Event().wait()

    @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=7, rate=0.01, time_limit_s=None)
    async def test_that_takes_its_time(virtual_kucoin):
        await asyncio.sleep(5_000)
"""


@pytest.mark.parametrize(("more", "seconds"), [("", 3_600), (", time_limit_s=60", 60)])
def test_a_test_that_hangs_fails(project: Run, more: str, seconds: int) -> None:
    """After an hour of virtual time, or what the marker says; with the line that waits, and the seed."""
    outcome, text = project(HANGS.format(more=more))

    assert {"failed": 1, "passed": 1} == outcome
    assert f"it did not end within {seconds} s of virtual time; it waits at" in text
    assert re.search(r"\.py:6 in test_it: await asyncio\.Event\(\)\.wait\(\)", text)
    assert "coroutines.py" not in text
    assert "seed: 7 " in text


def test_real_time_promises_nothing(project: Run) -> None:
    """What failed on real sockets may go otherwise with the same seed, and that is said."""
    outcome, text = project(
        """
        import pytest

        @pytest.mark.kucoin(symbols=["BTC-USDT"], seed=7, time_limit_s=60)
        def test_it(local_kucoin):
            local_kucoin.strike({"fault": "stall"})
            assert 1 == 2
        """
    )

    assert {"failed": 1} == outcome
    assert "--kucoin-seed 7; in real time, so it may go otherwise)" in text
    assert re.search(r'faults of the test: at \d+\.\d{3} s {"fault": "stall"}', text)


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
        ("zzz=1", "VirtualKuCoin has no setting 'zzz'; there is check_limits, time_limit_s, dialect, faults,"),
        ("time_limit=1", "VirtualKuCoin has no setting 'time_limit'; did you mean 'time_limit_s'?"),
        ("time_limit_s=0", "time_limit_s is a positive number of virtual seconds, or None for no limit, not 0"),
        ("time_limit_s='1'", "time_limit_s is a positive number of virtual seconds, or None for no limit, not '1'"),
        ("faults={'fault': 'drop'}", "the fault plan is not a list; write [{"),
        ("faults='plan.json'", "the fault plan is not a list; write [{"),
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
    assert "During handling" not in text
    assert 1 == text.split("short test summary")[0].count(problem)


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
