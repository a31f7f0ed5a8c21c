# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What follows from the best levels of a LIVE book, as floats, in one native call; else the reader itself is asked."""

from libc.stdint cimport int64_t

from orderbook.compiled.answers cimport new_pair, rounded
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.measures cimport POWERS_MAX, PRODUCT_MAX

from orderbook.types import BBO, Level

cdef enum:
    BEST_BID, BEST_ASK, BOTH, BIDS, ASKS, SPREAD, SPREAD_BPS, MID, MICROPRICE, CROSSED, LOCKED

cdef dict QUESTIONS = {
    "best_bid": BEST_BID,
    "best_ask": BEST_ASK,
    "bbo": BOTH,
    "bids": BIDS,
    "asks": ASKS,
    "spread": SPREAD,
    "spread_bps": SPREAD_BPS,
    "mid": MID,
    "microprice": MICROPRICE,
    "is_crossed": CROSSED,
    "is_locked": LOCKED,
}
cdef object NOT_PLAIN = object()
cdef object LEVEL = Level
cdef object TOUCH = BBO
cdef int64_t PRICE_MAX = 1 << 62    # so that a sum of two prices fits 64 bits,
cdef int64_t SPREAD_MAX = 1 << 48   # and a spread times 20,000


cdef class GuardState:
    """The attributes of a ``guard.Guard`` that readers look at each time."""

    @classmethod
    def __class_getitem__(cls, kinds):
        return cls


cdef class ReaderState:
    """What a ``reader.Reader`` keeps."""

    @classmethod
    def __class_getitem__(cls, kinds):
        return cls

    def __init__(self, GuardState guard not None, form, *, bint guarded, bint is_float):
        self._guard = guard
        self._form = form
        self._guarded = guarded
        self._is_float = is_float
        self._scales[0] = self._scales[1] = -1

    cdef ContentState plain(self):
        """The content, if it may be read and numbers are floats that can be made here; else ``None``."""
        cdef ContentState content = self._guard.content
        if not self._is_float or (self._guarded and not self._guard.is_plain):
            return None
        return content if content.price_decimals + content.size_decimals <= POWERS_MAX else None

    cdef object _level(self, ContentState content, int side):
        """The best level of a side as floats; ``NOT_PLAIN`` where it is not for here to say."""
        cdef int64_t price = 0
        cdef int64_t size = 0
        cdef int scale = 64 * content.price_decimals + content.size_decimals
        cdef object level
        if content.horizon.prices[side]:
            return NOT_PLAIN
        if not (content.bids if side == 0 else content.asks).touch(&price, &size):
            return None
        if self._prices[side] == price and self._sizes[side] == size and self._scales[side] == scale:
            return self.levels(side)
        level = new_pair(LEVEL, rounded(price, 1, content.price_decimals), rounded(size, 1, content.size_decimals))
        self._prices[side], self._sizes[side], self._scales[side] = price, size, scale
        if side == 0:
            self._bid = level
        else:
            self._ask = level
        return level

    cdef object levels(self, int side):
        return self._bid if side == 0 else self._ask


cdef class touch_property:
    """A property that is answered here where the answer is plain, and by its function where not."""

    cdef object _function
    cdef int _question
    cdef readonly object __name__

    def __init__(self, function):
        self._function = function
        self.__name__ = function.__name__
        self._question = QUESTIONS[function.__name__]

    @property
    def __doc__(self):
        return self._function.__doc__

    @property
    def fget(self):
        return self._function

    def __set__(self, instance, value):
        raise AttributeError(f"{self.__name__} cannot be set")

    def __get__(self, instance, owner):
        cdef ReaderState reader
        cdef ContentState content
        if instance is None:
            return self
        reader = <ReaderState?> instance
        if self._question == BIDS or self._question == ASKS:
            return self._side(reader, self._question - BIDS)
        content = reader.plain()
        if content is not None:
            answer = self._levels(reader, content) if self._question <= BOTH else self._number(content)
            if answer is not NOT_PLAIN:
                return answer
        return self._function(instance)

    cdef object _side(self, ReaderState reader, int side):
        """The view of a side, which is made once: it shows whatever the book holds."""
        cdef object view = reader._bids if side == 0 else reader._asks
        if view is not None and (reader._guard.is_plain or not reader._guarded):
            return view
        view = self._function(reader)
        if side == 0:
            reader._bids = view
        else:
            reader._asks = view
        return view

    cdef object _levels(self, ReaderState reader, ContentState content):
        cdef object bid
        cdef object ask
        if self._question != BOTH:
            return reader._level(content, self._question)
        bid = reader._level(content, BEST_BID)
        ask = reader._level(content, BEST_ASK)
        return NOT_PLAIN if bid is NOT_PLAIN or ask is NOT_PLAIN else new_pair(TOUCH, bid, ask)

    cdef object _number(self, ContentState content):
        cdef int64_t bid = 0
        cdef int64_t ask = 0
        cdef int64_t bid_size = 0
        cdef int64_t ask_size = 0
        cdef int64_t spread
        if content.horizon.prices[0] or content.horizon.prices[1]:
            return NOT_PLAIN
        if not content.bids.touch(&bid, &bid_size) or not content.asks.touch(&ask, &ask_size):
            return False if self._question >= CROSSED else None
        spread = ask - bid
        if self._question == CROSSED:
            return spread < 0
        if self._question == LOCKED:
            return spread == 0
        if self._question == SPREAD:
            return rounded(spread, 1, content.price_decimals)
        if bid >= PRICE_MAX or ask >= PRICE_MAX:
            return NOT_PLAIN
        if self._question == MID:
            return rounded(bid + ask, 2, content.price_decimals)
        if self._question == SPREAD_BPS:
            return rounded(20_000 * spread, bid + ask, 0) if -SPREAD_MAX < spread < SPREAD_MAX else NOT_PLAIN
        # Each product is exact or too large: judged as doubles, a last bit does not count.
        if <double> bid * ask_size > PRODUCT_MAX or <double> ask * bid_size > PRODUCT_MAX:
            return NOT_PLAIN
        if bid_size >= PRICE_MAX or ask_size >= PRICE_MAX:
            return NOT_PLAIN
        return rounded(bid * ask_size + ask * bid_size, bid_size + ask_size, content.price_decimals)
