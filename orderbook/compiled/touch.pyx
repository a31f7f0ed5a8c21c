# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best levels of a LIVE book as floats, in one native call; everything else is asked of the reader itself.

A number is a quotient of two integers that are both exact as doubles, so one division rounds it once, and correctly. Where
they are not, the reader's own arithmetic is asked.
"""

from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState

from orderbook.types import BBO, Level

cdef extern from *:
    """
    static PyObject *new_pair(PyObject *type, PyObject *first, PyObject *second) {
        PyTypeObject *kind = (PyTypeObject *)type;
        PyObject *pair = kind->tp_alloc(kind, 2);
        if (pair == NULL) return NULL;
        Py_INCREF(first); Py_INCREF(second);
        PyTuple_SET_ITEM(pair, 0, first); PyTuple_SET_ITEM(pair, 1, second);
        return pair;
    }
    """
    object new_pair(object type, object first, object second)

cdef enum:
    SCALE = 22          # powers of ten up to here are exact as doubles,

cdef int64_t EXACT = 9_007_199_254_740_992  # and so are integers up to 2**53

cdef double[SCALE + 1] POWERS
cdef int _power
POWERS[0] = 1.0
for _power in range(1, SCALE + 1):
    POWERS[_power] = POWERS[_power - 1] * 10.0

cdef enum:
    BEST_BID, BEST_ASK, BOTH, SPREAD, MID, OTHER

cdef dict QUESTIONS = {"best_bid": BEST_BID, "best_ask": BEST_ASK, "bbo": BOTH, "spread": SPREAD, "mid": MID}
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
        if price > EXACT or size > EXACT or content.price_decimals > SCALE or content.size_decimals > SCALE:
            return NOT_PLAIN
        level = new_pair(LEVEL, price / POWERS[content.price_decimals], size / POWERS[content.size_decimals])
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
        self._question = QUESTIONS.get(function.__name__, OTHER)

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
        if self._question != OTHER and reader._is_float and (reader._guard.is_plain or not reader._guarded):
            content = reader._guard.content
            answer = self._answer(reader, content)
            if answer is not NOT_PLAIN:
                return answer
        return self._function(instance)

    cdef object _answer(self, ReaderState reader, ContentState content):
        cdef int64_t bid = 0
        cdef int64_t ask = 0
        cdef int64_t size = 0
        cdef object first
        cdef object second
        if self._question <= BEST_ASK:
            return reader._level(content, self._question)
        if self._question == BOTH:
            first = reader._level(content, BEST_BID)
            second = reader._level(content, BEST_ASK)
            if first is NOT_PLAIN or second is NOT_PLAIN:
                return NOT_PLAIN
            return new_pair(TOUCH, first, second)
        if content.horizon.prices[0] or content.horizon.prices[1] or content.price_decimals > SCALE - 1:
            return NOT_PLAIN
        if not content.bids.touch(&bid, &size) or not content.asks.touch(&ask, &size):
            return None
        if bid > EXACT // 2 or ask > EXACT // 2:
            return NOT_PLAIN
        if self._question == SPREAD:
            return (ask - bid) / POWERS[content.price_decimals]
        return (bid + ask) / (2.0 * POWERS[content.price_decimals])
