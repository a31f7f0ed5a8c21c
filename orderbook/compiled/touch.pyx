# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What follows from the best levels of a LIVE book, as floats, in one native call; else the reader itself is asked."""

from cpython.object cimport PyObject
from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.answers cimport MICROPRICE, MID, SPREAD, SPREAD_BPS, new_pair, renewed, rounded, touch_ratio
from orderbook.compiled.blocks cimport Block, best_of
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.measures cimport POWERS_MAX

from orderbook.types import BBO, Level

cdef extern from *:
    """
    #define type_of(value) ((PyObject *)Py_TYPE(value))
    """
    PyObject* type_of(PyObject* value) noexcept

cdef enum:
    BEST_BID, BEST_ASK, BOTH, BIDS, ASKS, CROSSED, LOCKED, NUMBERS

cdef dict QUESTIONS = {
    "best_bid": BEST_BID,
    "best_ask": BEST_ASK,
    "bbo": BOTH,
    "bids": BIDS,
    "asks": ASKS,
    "is_crossed": CROSSED,
    "is_locked": LOCKED,
    "spread": NUMBERS + SPREAD,
    "spread_bps": NUMBERS + SPREAD_BPS,
    "mid": NUMBERS + MID,
    "microprice": NUMBERS + MICROPRICE,
}
cdef object NOT_PLAIN = object()
cdef object LEVEL = Level
cdef object TOUCH = BBO


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

    @final
    cdef ContentState plain(self):
        """The content, if it may be read and numbers are floats that can be made here; else ``None``."""
        cdef GuardState guard = self._guard
        cdef ContentState content
        # Without a guard, or a content, it is only half made: Python says what is missing.
        if guard is None or not self._is_float or (self._guarded and not guard.is_plain):
            return None
        content = guard.content
        if content is None:
            return None
        return content if content.price_decimals + content.size_decimals <= POWERS_MAX else None

    @final
    cdef object _level(self, ContentState content, int side):
        """The best level of a side as floats; ``NOT_PLAIN`` where it is not for here to say."""
        cdef int64_t price = 0
        cdef int64_t size = 0
        cdef int scale = 64 * content.price_decimals + content.size_decimals
        cdef PyObject* fields[2]
        if content.horizon.prices[side]:
            return NOT_PLAIN
        if not best_of(content.bids if side == 0 else content.asks, &price, &size):
            return None
        if self._prices[side] == price and self._sizes[side] == size and self._scales[side] == scale:
            return self.levels(side)
        first, second = rounded(price, 1, content.price_decimals), rounded(size, 1, content.size_decimals)
        fields[0], fields[1] = <PyObject*> first, <PyObject*> second
        if side == 0:
            self._bid = renewed(<PyObject*> self._bid, LEVEL, 2, fields)
        else:
            self._ask = renewed(<PyObject*> self._ask, LEVEL, 2, fields)
        self._prices[side], self._sizes[side], self._scales[side] = price, size, scale
        return self.levels(side)

    @final
    cdef object levels(self, int side):
        return self._bid if side == 0 else self._ask


cdef inline PyObject* kept(PyObject* owner, int side) noexcept:
    """The best level as it was handed out last, if it is the same one and may be told; else NULL.

    What is asked most, and has not changed most often: so nothing here counts references.
    """
    cdef PyObject* guard = <PyObject*> (<ReaderState> owner)._guard
    cdef PyObject* inside
    cdef PyObject* ladder
    cdef Block* block
    if not (<ReaderState> owner)._is_float or guard == <PyObject*> None or not (<GuardState> guard).is_plain:
        return NULL
    inside = <PyObject*> (<GuardState> guard).content
    if inside == <PyObject*> None or (<ContentState> inside).horizon.prices[side]:
        return NULL
    if side == 0:
        ladder = <PyObject*> (<ContentState> inside).bids
    else:
        ladder = <PyObject*> (<ContentState> inside).asks
    block = (<Ladder> ladder)._blocks[(<Ladder> ladder)._count - 1]
    if block.count == 0:
        return NULL
    if (<ReaderState> owner)._sizes[side] != block.sizes[block.count - 1]:
        return NULL
    if (<ReaderState> owner)._prices[side] != (<Ladder> ladder)._sign * block.keys[block.count - 1]:
        return NULL
    if (<ReaderState> owner)._scales[side] != 64 * (<ContentState> inside).price_decimals + (<ContentState> inside).size_decimals:
        return NULL
    if side == 0:
        return <PyObject*> (<ReaderState> owner)._bid
    return <PyObject*> (<ReaderState> owner)._ask


@final
cdef class touch_property:
    """A property that is answered here where the answer is plain, and by its function where not."""

    cdef object _function
    cdef int _question
    cdef object _kind       # of the last instance
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
        cdef PyObject* level
        if instance is None:
            return self
        if type_of(<PyObject*> instance) != <PyObject*> self._kind:
            # To ask whether it is one of those takes longer than to see that it is of the same type as the last one.
            reader = <ReaderState?> instance
            self._kind = type(instance)
        if self._question <= BEST_ASK:
            level = kept(<PyObject*> instance, self._question)
            if level != NULL:
                return <object> level
        reader = <ReaderState> instance
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
        if view is not None and reader._guard is not None and (reader._guard.is_plain or not reader._guarded):
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
        cdef int64_t numerator = 0
        cdef int64_t denominator = 1
        cdef int question = self._question - NUMBERS
        if content.horizon.prices[0] or content.horizon.prices[1]:
            return NOT_PLAIN
        if not best_of(content.bids, &bid, &bid_size) or not best_of(content.asks, &ask, &ask_size):
            return None if self._question >= NUMBERS else False
        if self._question == CROSSED:
            return bid > ask
        if self._question == LOCKED:
            return bid == ask
        if not touch_ratio(question, bid, bid_size, ask, ask_size, &numerator, &denominator):
            return NOT_PLAIN
        return rounded(numerator, denominator, 0 if question == SPREAD_BPS else content.price_decimals)
