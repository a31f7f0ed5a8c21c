"""Which addresses of servers and proxies are taken, and that none is shown when it is refused."""

from __future__ import annotations

import pytest

from orderbook.errors import UsageError
from orderbook.venues.rest import check_address, check_proxy, is_loopback


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("LocalHost", True),
        ("::1%lo", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
        (None, False),
    ],
)
def test_this_machine(host: str | None, here: bool) -> None:
    """Only what cannot be anywhere else; no name is looked up."""
    assert here == is_loopback(host)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://api.kucoin.com/", "https://api.kucoin.com"),
        ("https://h:8443", "https://h:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://[::1]:80/", "http://[::1]:80"),
        ("https://a_b-c.example.", "https://a_b-c.example."),
        (f"https://{63 * 'a'}.com", f"https://{63 * 'a'}.com"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[fe80::1%lo]:1", "https://[fe80::1%lo]:1"),
        ("https://[::ffff:127.0.0.1]", "https://[::ffff:127.0.0.1]"),
    ],
)
def test_an_address_of_a_server(url: str, taken: str) -> None:
    """Scheme, host and port; nothing else is kept."""
    assert taken == check_address(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.org", "use https"),
        ("https://u:canary@h", "without user name"),
        ("https://h/canary", "without user name, path"),
        ("https://h?canary", "path or query"),
        ("https://h#canary", "path or query"),
        ("ftp://canary", "looks like https"),
        ("canary", "looks like https"),
        ("https://", "looks like https"),
        ("https://h:canary", "looks like https"),
        ("https://[canary", "looks like https"),
        ("https://h\u00e9", "looks like https"),
        ("https://h h", "looks like https"),
        ("https://h\x7f", "looks like https"),
        ("https://canary..com", "no host can have"),
        ("https://.canary", "no host can have"),
        (f"https://{64 * 'a'}.com", "no host can have"),
        (f"https://{'canary.' * 40}com", "no host can have"),
        ("https://can%61ry", "no host can have"),
        ("https://[::canary]", "no host can have|looks like"),
        ("https://canary:0", "no host can have"),
        ("127.0.0.1:18888", "http://127.0.0.1:PORT for a local KuCoin"),
        ("localhost:18888", "http://127.0.0.1:PORT for a local KuCoin"),
        ("ws://127.0.0.1:18888", "http://127.0.0.1:PORT for a local KuCoin"),
    ],
)
def test_what_is_no_address(url: str, problem: str) -> None:
    """The message does not show it: a password may stand in it."""
    with pytest.raises(UsageError, match=problem) as caught:
        check_address(url)

    assert "canary" not in str(caught.value)


def test_where_plain_text_is_not_allowed_it_is_not_advised() -> None:
    """A server that a venue names has to be encrypted, unless the venue is on this machine."""
    with pytest.raises(UsageError, match=r"wss://host:port$"):
        check_address("canary", ("wss", "ws"), allow_plain=False)


@pytest.mark.parametrize(
    "proxy",
    [
        *("canary", "socks5://canary:1", "http://", "http://h:canary", "http://[canary", "http://h:0"),
        *("http://canary@h", "http://@h", "http://h/canary", "http://h?canary", "http://h#canary"),
        *("http://canary..h", f"http://{64 * 'c'}.h", "http://u:canary@h h", "http://u:canary\x7f@h"),
    ],
)
def test_what_is_no_proxy(proxy: str) -> None:
    """Also what one of the two network libraries takes and the other does not."""
    with pytest.raises(UsageError, match="a proxy looks like") as caught:
        check_proxy(proxy)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["http://h", "https://h:1/", "http://u:p@[::1]:80", "http://u:@h", "http://u:%40%2f@h."]
)
def test_what_is_a_proxy(proxy: str) -> None:
    """A host, perhaps a port, perhaps a user and a password."""
    check_proxy(proxy)
