"""What a client says on KuCoin's socket, as the venue's guide words it, and what it learns from refusals."""

from __future__ import annotations

import json

import pytest

from orderbook.secret import Secret
from orderbook.venues.kucoin_session import BOOK_TOPIC, connect_url, learnt_limit, ping, public_url, subscription


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        ("wss://ws-api-spot.kucoin.com/", "wss://ws-api-spot.kucoin.com/?"),
        ("wss://push.kucoin.com/endpoint", "wss://push.kucoin.com/endpoint?"),
        (
            "wss://push.kucoin.com/endpoint?acceptUserMessage=true",
            "wss://push.kucoin.com/endpoint?acceptUserMessage=true&",
        ),
    ],
)
def test_the_address_of_a_connection(endpoint: str, start: str) -> None:
    """Token and identifier are encoded; what may be shown has the identifier alone."""
    address = connect_url(endpoint, Secret("2neA=.6j/+&"), "a b")

    assert f"{start}token=2neA%3D.6j%2F%2B%26&connectId=a%20b" == address.reveal()
    assert "2neA" not in repr(address)
    assert f"{start}connectId=a%20b" == public_url(endpoint, "a b")


def test_requests() -> None:
    """Comma lists without blanks, the channel said to be public, and an acknowledgement asked for."""
    expected = {
        "id": "7",
        "type": "subscribe",
        "topic": "/market/level2:BTC-USDT,ETH-USDT",
        "privateChannel": False,
        "response": True,
    }
    assert expected == json.loads(subscription("subscribe", "7", BOOK_TOPIC, ["BTC-USDT", "ETH-USDT"]))
    assert expected | {"type": "unsubscribe", "topic": "/market/level2:BTC-USDT"} == json.loads(
        subscription("unsubscribe", "7", BOOK_TOPIC, ["BTC-USDT"])
    )
    private = expected | {"topic": "/account/balance", "privateChannel": True}
    assert private == json.loads(subscription("subscribe", "7", "/account/balance", [], is_private=True))
    assert {"id": "8", "type": "ping"} == json.loads(ping("8"))


@pytest.mark.parametrize(
    ("text", "learnt"),
    [
        ("exceed max subscription count limitation of 100 per time", ("batch", 100)),
        ("exceed max subscription count limitation of 300 per session", ("session", 300)),
        ("exceed max session count limitation of 50", None),
        ("exceed max permits per second", None),
        ("limitation of 99999999999 per time", None),
        ("", None),
    ],
)
def test_a_refusal_may_name_the_limit(text: str, learnt: tuple[str, int] | None) -> None:
    """The two that are about subscriptions; whatever else is said with code 509 names none that we could keep."""
    assert learnt == learnt_limit(text)
