"""Whose traffic is this? A guess, for an error message that helps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from snapshots.capture import Record

_HEAD_CHARS: Final = 400

# Tried in this order on the address, then on the beginning of what was received. The Binance US host has "binance" in
# it, and several venues call something "arg", "feed" or "channel": the narrower trait comes first.
_ADDRESSES: Final = (
    ("KuCoin", re.compile(r"kucoin\.")),
    ("Binance US", re.compile(r"binance\.us")),
    ("Binance", re.compile(r"binance\.")),
    ("OKX", re.compile(r"\bok[e]?x\.")),
    ("Bybit", re.compile(r"bybit\.")),
    ("Kraken", re.compile(r"kraken\.")),
    ("Coinbase", re.compile(r"coinbase\.")),
    ("Bitget", re.compile(r"bitget\.")),
    ("Gate.io", re.compile(r"gateio\.|gate\.io|gate\.com")),
    ("Bitfinex", re.compile(r"bitfinex\.")),
)
_TEXTS: Final = (
    ("KuCoin", re.compile(r'"topic" ?: ?"/(?:contractM|m|spotM)arket/')),
    ("Binance", re.compile(r'"e" ?: ?"(?:depthUpdate|bookTicker|aggTrade|trade)"|"stream" ?: ?"\w+@|"lastUpdateId"')),
    ("Bitget", re.compile(r'"instType"')),
    ("OKX", re.compile(r'"arg" ?: ?\{"channel"')),
    ("Bybit", re.compile(r'"topic" ?: ?"orderbook\.')),
    ("Kraken", re.compile(r'"feed" ?: ?"book|"book-\d+"')),
    ("Coinbase", re.compile(r'"product_ids?"')),
    ("Gate.io", re.compile(r'"channel" ?: ?"(?:spot|futures)\.')),
    ("Bitfinex", re.compile(r"^\[\d+, ?\[")),
)


def looks_like(records: Iterable[Record]) -> str | None:
    """The venue whose traffic the records most look like, ``None`` if they look like nobody's. O(records)."""
    votes = Counter(name for record in records if (name := _venue_of(record)) is not None)
    return votes.most_common(1)[0][0] if votes else None


def _venue_of(record: Record) -> str | None:
    text = record.raw[:_HEAD_CHARS].decode("latin-1")
    for traits, where in ((_ADDRESSES, record.url or ""), (_TEXTS, text)):
        for name, trait in traits:
            if trait.search(where):
                return name
    return None
