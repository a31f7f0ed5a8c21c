"""A secret is shown to nobody but to the one who asks for it by name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from orderbook.errors import UsageError
from orderbook.secret import Credentials, Secret, check_credentials
from tests.unchecked import unchecked

CANARY = "canary-7f3a"
ENVIRON = {"KUCOIN_API_KEY": f"{CANARY}-k", "KUCOIN_API_SECRET": f"{CANARY}-s", "KUCOIN_API_PASSPHRASE": f"{CANARY}-p"}


@pytest.mark.parametrize(
    "show", [repr, str, ascii, "{}".format, "{:>40}".format, "{!r}".format, lambda secret: f"{secret:x}", "%s".__mod__]
)
def test_no_way_to_print_it_shows_it(show: Callable[[object], str]) -> None:
    """All the ways a log line is made give the same words."""
    assert "Secret(...)" == show(Secret(CANARY))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy, hash, vars, iter, bytes])
@pytest.mark.parametrize("thing", [Secret(CANARY)])
def test_it_cannot_be_taken_along(take: Callable[[object], object], thing: object) -> None:
    """What would keep or carry a copy is refused."""
    with pytest.raises(TypeError) as caught:
        take(thing)

    assert CANARY not in str(caught.value)


def test_credentials_cannot_be_taken_along_either() -> None:
    """Nor can the three together, as a pickle, a copy or a dictionary."""
    credentials = Credentials.of(CANARY, CANARY, CANARY)
    for take in (pickle.dumps, copy.deepcopy, asdict, hash):
        with pytest.raises(TypeError):
            take(credentials)
    assert CANARY not in repr(credentials)


def test_plain_texts_are_wrapped() -> None:
    """Whoever leaves out ``of`` gets the same: nothing shows, and the same slips are refused."""
    credentials = Credentials(unchecked(f"{CANARY}-k"), unchecked(f"{CANARY}-s"), Secret(f"{CANARY}-p"), 2)

    assert CANARY not in repr(credentials)
    assert Credentials.of(f"{CANARY}-k", f"{CANARY}-s", f"{CANARY}-p", version=2) == credentials
    for parts in ((f"{CANARY} k", "s", "p"), ("k", f" {CANARY}", "p"), ("k", "s", None), ("k", "s", b"p")):
        with pytest.raises(UsageError) as caught:
            Credentials(*parts)
        assert CANARY not in str(caught.value)
    with pytest.raises(UsageError, match="2 or 3"):
        Credentials(*unchecked(("k", "s", "p", 4)))


@pytest.mark.parametrize("given", [(CANARY, CANARY, CANARY), CANARY, {"key": CANARY}, Secret(CANARY), 0])
def test_what_is_no_key_is_refused(given: object) -> None:
    """With the way to make one, and without showing it."""
    with pytest.raises(UsageError, match=r"Credentials\.of\(key, secret, passphrase\)") as caught:
        check_credentials(given)

    assert CANARY not in str(caught.value)
    check_credentials(None)
    check_credentials(Credentials.of("a", "b", "c"))


def test_it_reveals_and_compares() -> None:
    """The content is there for those who ask, and equality is by content."""
    assert CANARY == Secret(CANARY).reveal()
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800") != Secret("a")
    assert (True, False) == (bool(Secret("a")), bool(Secret("")))


def test_only_texts() -> None:
    """Bytes or nothing at all are a caller's mistake, told without their content."""
    with pytest.raises(UsageError, match="a text, not bytes"):
        Secret(unchecked(CANARY.encode()))


def test_a_key_of_the_environment() -> None:
    """All three make a key, none makes none; empty is not set."""
    found = Credentials.from_environment(ENVIRON)

    assert found is not None
    assert [f"{CANARY}-{part}" for part in "ksp"] == [
        part.reveal() for part in (found.key, found.secret, found.passphrase)
    ]
    assert 3 == found.version
    second = Credentials.from_environment(ENVIRON | {"KUCOIN_API_KEY_VERSION": "2"})
    assert second is not None
    assert 2 == second.version
    assert None is Credentials.from_environment({"KUCOIN_API_KEY": ""})


@pytest.mark.parametrize("missing", sorted(ENVIRON))
def test_a_part_of_a_key_is_named(missing: str) -> None:
    """The message names what is missing, and shows nothing of what is there."""
    with pytest.raises(UsageError, match=f"^{missing} missing") as caught:
        Credentials.from_environment({name: text for name, text in ENVIRON.items() if name != missing})

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (("", "s", "p"), "the API key is empty"),
        (("k", f"{CANARY}\n", "p"), "the API secret holds a blank at an end or an invisible"),
        (("k", "s", f" {CANARY}"), "the API passphrase holds a blank"),
        ((f"{CANARY} k", "s", "p"), "the API key holds a character that no key has"),
        ((f"{CANARY}é", "s", "p"), "the API key holds a character that no key has"),
        ((None, "s", "p"), "the API key is empty or no text"),
    ],
)
def test_slips_of_copying_are_told(parts: Any, problem: str) -> None:
    """What no key can be is refused at once, by the name of the part."""
    with pytest.raises(UsageError, match=problem) as caught:
        Credentials.of(*parts)

    assert CANARY not in str(caught.value)


def test_an_unknown_version_is_refused() -> None:
    """Only versions 2 and 3 exist."""
    with pytest.raises(UsageError, match="2 or 3"):
        Credentials.of("k", "s", "p", version=1)
