"""Own orders against the account of the local KuCoin, on its own wire, in virtual time: at rest, all is the truth."""

from __future__ import annotations

import json
import random
from collections import Counter
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbook.errors import BookNotLive, OrdersNotSynced, UsageError
from orderbook.own import OwnOrders, OwnQueue, Reread
from orderbook.simulator.market import Market
from orderbook.streams import OrderUpdate, Pushed, Trade
from orderbook.sync import BookSync
from orderbook.types import Level, Side
from orderbook.venues.kucoin import KuCoin
from orderbook.venues.kucoin_orders import OrdersPage, decode_open_orders, open_orders_request
from tests.examples import share
from tests.simulator_bench import Bench
from tests.simulator_streams import PATIENT

BTC: Final = "BTC-USDT"
LOT: Final = Decimal("0.00000001")
KUCOIN: Final = KuCoin()
PROFILES: Final = ("normal", "batches", "trending")
V1, V2 = "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2"
BOOK, MATCH = f"/market/level2:{BTC}", f"/market/match:{BTC}"


class Client:
    """A client of the local KuCoin whose streams are late, each by itself, and whose order stream breaks."""

    def __init__(self, seed: int, profile: str) -> None:
        self.rng = random.Random(seed)
        self.bench = Bench(market=Market([BTC], seed, profile, rate=300.0), seed=seed, limits=PATIENT)
        self.sync = BookSync("kucoin", BTC)
        self.orders = OwnOrders()
        self.queue = OwnQueue(self.sync.book, self.orders)
        self.net = self.sync.book.without_own(self.orders)
        self.orders_topic = self.rng.choice((V1, V2))
        self.waiting: dict[str, list[str]] = {BOOK: [], MATCH: [], self.orders_topic: []}
        self.private: int | None = None
        self.reread: Reread | None = None
        self.answer: OrdersPage | None = None
        self.seen: Counter[str] = Counter()
        public = self.bench.connect()
        for topic in (BOOK, MATCH):
            self.bench.say(public, id=1, type="subscribe", topic=topic)
        self.bench.run(100)
        self.seed_book()

    # --- the wire ---

    def seed_book(self) -> None:
        """The book is joined to a snapshot, once: it stays LIVE whatever becomes of one's own orders."""
        self.collect()
        self.deliver(BOOK, len(self.waiting[BOOK]))
        body = self.bench.signed("GET", f"/api/v3/market/orderbook/level2?symbol={BTC}").body
        self.sync.receive_snapshot(body, depth="full")
        self.seen["seeded"] += 1

    def collect(self) -> None:
        """Take what the venue sent; it waits until it is delivered."""
        for conn, _, payload in self.bench.sent:
            topic = json.loads(str(payload)).get("topic")
            if topic in self.waiting and (topic != self.orders_topic or conn == self.private):
                self.waiting[topic].append(str(payload))
        self.bench.sent.clear()

    def deliver(self, topic: str, count: int) -> None:
        """Some of what waits arrives: of the orders not only the oldest, and at times twice."""
        waiting = self.waiting[topic]
        for _ in range(min(count, len(waiting))):
            if topic == self.orders_topic:
                told = waiting.pop(self.rng.randrange(min(3, len(waiting))))
                if self.rng.random() < 0.2:
                    waiting.append(told)
                self.hear(told)
            elif topic == BOOK:
                self.sync.receive(waiting.pop(0).encode())
            else:
                self.hear(waiting.pop(0))
            self.queue.observe()

    def hear(self, text: str) -> None:
        """A message of a stream beside the book, decoded."""
        pushed = KUCOIN.decode_pushed(text)
        assert isinstance(pushed, Pushed)
        if isinstance(pushed.message, OrderUpdate):
            self.seen[f"{pushed.message.event} {pushed.message.liquidity or ''}".strip()] += 1
            self.orders.receive(pushed.message)
        else:
            assert isinstance(pushed.message, Trade)
            self.seen["trade"] += 1
            self.queue.receive_trade(pushed.message)

    def disconnect(self) -> None:
        """The order stream breaks, and what was under way is lost."""
        self.collect()
        if self.private is not None:
            self.bench.exchange.disconnected(self.private, self.bench.now_ns)
            self.private = None
            self.waiting[self.orders_topic].clear()
            self.orders.lost("the link is down")
            self.seen["lost"] += 1

    def connect(self) -> None:
        """The order stream is up again, and the list of open orders is asked for."""
        if self.private is None:
            token = json.loads(self.bench.signed("POST", "/api/v1/bullet-private").body)["data"]["token"]
            self.private = self.bench.connect(token)
            self.bench.say(self.private, id=1, type="subscribe", topic=self.orders_topic, privateChannel=True)
            self.reread, self.answer = self.orders.begin_reread(), None

    def read(self) -> None:
        """The venue answers the list."""
        if self.reread is not None and self.answer is None:
            reply = self.bench.signed("GET", open_orders_request().target)
            self.answer = decode_open_orders(reply.body.decode())

    def finish(self) -> None:
        """The list arrives."""
        if self.reread is not None and self.answer is not None:
            self.seen["reread"] += self.orders.finish_reread(self.reread, self.answer.orders)
            self.reread = self.answer = None

    # --- what happens ---

    def act(self) -> None:
        """The owner does something; what cannot be is refused."""
        bench, rng = self.bench, self.rng
        book, deep = bench.market[BTC].book(), rng.randrange(4)
        bid, ask = Decimal(book.bids[0][0]), Decimal(book.asks[0][0])
        size = LOT * rng.randrange(100_000, 6_000_000)
        active = bench.account.active(BTC)
        try:
            match rng.randrange(8):
                case 0 | 1:
                    bench.account.place(BTC, "buy", book.bids[deep][0], size)
                case 2 | 3:
                    bench.account.place(BTC, "sell", book.asks[deep][0], size)
                case 4:
                    bench.account.place(BTC, "buy", ask, size * 3)
                case 5:
                    bench.account.place(BTC, "sell", bid, size * 2)
                case 6 if active:
                    order = rng.choice(active)
                    bench.account.reduce(order.order_id, order.filled + (order.left / LOT // 2) * LOT)
                case _ if active:
                    bench.account.cancel(rng.choice(active).order_id)
        except UsageError:
            self.seen["refused"] += 1

    def step(self) -> None:
        """Time passes, and something happens at the venue or on the way."""
        chance = self.rng.random()
        if chance < 0.3:
            self.act()
        elif chance < 0.35:
            self.disconnect()
        elif chance < 0.45:
            self.connect()
        elif chance < 0.55:
            self.read()
        elif chance < 0.65:
            self.finish()
        self.bench.run(self.rng.choice((0, 1, 20, 60)))
        self.collect()
        for topic in self.waiting:
            self.deliver(topic, self.rng.randrange(0, 25))
        assert self.sync.book.is_live

    def rest(self) -> None:
        """All that happened arrives, and the market goes on until nothing of one's own was the last to happen."""
        self.connect()
        self.read()
        self.finish()
        for _ in range(50):
            self.bench.run(50)
            self.collect()
            for topic, waiting in self.waiting.items():
                while waiting:
                    self.deliver(topic, len(waiting))
            self.queue.observe()
            if self.net.is_settled:
                return


def check(client: Client) -> None:
    """Orders, net book and queues are what the venue knows."""
    account, source = client.bench.account, client.bench.market[BTC]
    true = {one.order_id: (one.side, one.price, one.left) for one in account.active(BTC)}
    names = {Side.BID: "buy", Side.ASK: "sell"}
    found = client.orders.open_orders(BTC)
    assert true == {one.order_id: (names[one.side], one.price, one.remaining_size) for one in found}
    assert source.sequence == client.net.sequence

    book = source.book()
    for side, rows, ladder in (("buy", book.bids, client.net.exact.bids), ("sell", book.asks, client.net.exact.asks)):
        own: Counter[Decimal] = Counter()
        for one_side, price, left in true.values():
            own[price] += left if one_side == side else 0  # type: ignore[assignment]  # a Counter adds up any number
        others = [Level(Decimal(p), Decimal(s) - own[Decimal(p)]) for p, s in rows]
        assert [level for level in others if level.size] == list(ladder)
    assert () == client.net.overdrawn
    assert client.net.is_settled

    for order in found:
        estimate = client.queue.ahead(order.order_id)
        ladder = client.net.exact.bids if order.side is Side.BID else client.net.exact.asks
        assert estimate is not None
        assert estimate.is_settled
        assert 0 <= estimate.likely <= estimate.most
        assert account.ahead(order.order_id) <= estimate.most <= ladder.size_at(order.price)
        client.seen["queued behind others"] += account.ahead(order.order_id) > 0
        client.seen["known to be nearer"] += estimate.most < ladder.size_at(order.price)


def play(seed: int, profile: str, steps: int) -> Counter[str]:
    """A story, with several rests."""
    client = Client(seed, profile)
    for _ in range(3):
        for _ in range(steps):
            client.step()
            if not client.orders.is_synced:
                with pytest.raises((OrdersNotSynced, BookNotLive)):
                    client.net.best_bid
        client.rest()
        check(client)
    client.seen["stories"] += 1
    return client.seen


@given(st.integers(0, 2**32), st.sampled_from(PROFILES), st.integers(5, 40))
@settings(max_examples=share(15))
def test_at_rest_it_is_the_truth(seed: int, profile: str, steps: int) -> None:
    """After fills, partial fills, reductions, cancellations and reconnections, whatever came late or twice."""
    play(seed, profile, steps)


def test_all_of_it_happens() -> None:
    """In some stories, often."""
    seen: Counter[str] = Counter()
    for seed in range(6):
        seen += play(seed, PROFILES[seed % 3], 60)

    names = ("open", "match maker", "match taker", "filled", "update", "canceled", "lost", "reread", "trade")
    assert [] == [name for name in (*names, "queued behind others", "known to be nearer") if seen[name] < 10], seen
