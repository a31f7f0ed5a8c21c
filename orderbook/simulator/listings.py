"""The instruments of the simulated venue: names, steps and price levels as on KuCoin, and made-up ones beyond them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from orderbook.errors import UsageError
from orderbook.simulator.chance import stream
from orderbook.simulator.source import Rules

# Symbol: (tick, lot, price at the opening).
_KNOWN: Final = {
    "BTC-USDT": ("0.1", "0.00000001", "67012.3"),
    "ETH-USDT": ("0.01", "0.0000001", "3521.48"),
    "SOL-USDT": ("0.001", "0.0001", "172.483"),
    "XRP-USDT": ("0.00001", "0.0001", "2.28145"),
    "KCS-USDT": ("0.0001", "0.0001", "11.4872"),
    "DOGE-USDT": ("0.00001", "0.0001", "0.16243"),
    "LTC-USDT": ("0.001", "0.000001", "84.217"),
    "ADA-USDT": ("0.0001", "0.0001", "0.6853"),
    "LINK-USDT": ("0.0001", "0.0001", "14.6021"),
    "ETH-BTC": ("0.00001", "0.0000001", "0.05255"),
    "BCHSV-USDT": ("0.001", "0.00000001", "243.215"),
    "CAPP-BTC": ("0.0000000001", "0.0001", "0.0000002183"),
    "FET-BTC": ("0.00000001", "0.0001", "0.00000772"),
    "DAPPT-BTC": ("0.0000000001", "0.0001", "0.0000001223"),
    "NRG-BTC": ("0.00000001", "0.0001", "0.00004511"),
}
_DEFAULTS: Final = tuple(_KNOWN)[:10]
_NOTIONAL: Final = {"BTC": Decimal("0.0025"), "ETH": Decimal("0.05")}
"""What a middling level is worth, in quote currency; 165 in a dollar currency."""


class Listing(NamedTuple):
    """An instrument of the simulated venue.

    Attributes:
        rules: What the venue says of it.
        price: Where it opens, as decimal text: a multiple of the tick.
    """

    rules: Rules
    price: str

    @property
    def price_decimals(self) -> int:
        """Decimals of the tick."""
        return _decimals(self.rules.tick)

    @property
    def size_decimals(self) -> int:
        """Decimals of the lot."""
        return _decimals(self.rules.lot)

    @property
    def price_ticks(self) -> int:
        """The opening price in ticks."""
        return int(Decimal(self.price).scaleb(self.price_decimals))

    @property
    def size_lots(self) -> int:
        """Size of a middling level, in lots."""
        worth = _NOTIONAL.get(self.rules.quote, Decimal(165))
        return max(1, int((worth / Decimal(self.price)).scaleb(self.size_decimals)))


def default_symbols(n: int) -> tuple[str, ...]:
    """``n`` symbols: those that everybody knows, then ``SIM001-USDT`` and so on.

    Raises:
        UsageError: ``n`` is negative.
    """
    if n < 0:
        raise UsageError("the number of symbols is not negative")
    return _DEFAULTS[:n] + tuple(f"SIM{number:03}-USDT" for number in range(1, n - len(_DEFAULTS) + 1))


def listing(symbol: str) -> Listing:
    """The instrument of this name, always the same; steps and price of an unknown one are made up from its name.

    Raises:
        UsageError: It does not look like ``BASE-QUOTE``.
    """
    base, dash, quote = symbol.partition("-")
    if not (base and dash and quote) or not symbol.isascii() or symbol.count("-") > 1:
        raise UsageError(f"{ascii(symbol)[:80]} is not a KuCoin spot symbol; they look like BTC-USDT")
    if symbol in _KNOWN:
        tick, lot, price = _KNOWN[symbol]
    else:
        rng = stream("listing", symbol)
        decimals = rng.choice((1, 2, 3, 4, 5, 6))
        tick, lot = str(step(decimals)), str(step(8 - decimals))
        price = format(Decimal(rng.randrange(240_000, 900_000)).scaleb(-decimals), "f")
    return Listing(Rules(symbol, base, quote, tick, lot), price)


def listed(rules: Rules, *, is_trading: bool) -> dict[str, object]:
    """An instrument as the venue's list of symbols has it."""
    return {
        "symbol": rules.symbol,
        "name": rules.symbol,
        "baseCurrency": rules.base,
        "quoteCurrency": rules.quote,
        "feeCurrency": rules.quote,
        "market": rules.area,
        "baseMinSize": rules.lot,
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": rules.lot,
        "quoteIncrement": rules.tick,
        "priceIncrement": rules.tick,
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": True,
        "enableTrading": is_trading,
        "feeCategory": 1,
        "makerFeeCoefficient": "1.00",
        "takerFeeCoefficient": "1.00",
        "st": False,
        "callauctionIsEnabled": False,
        "tradingStartTime": None,
    }


def step(decimals: int) -> str:
    """``10**-decimals`` as decimal text."""
    return format(Decimal(1).scaleb(-decimals), "f")


def _decimals(text: str) -> int:
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or number != Decimal(1).scaleb(exponent) or exponent > 0:
        raise UsageError(f"a step of {text} is not supported; it is 1, 0.1, 0.01 and so on")
    return -exponent
