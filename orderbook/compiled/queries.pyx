# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Queries over many levels of a LIVE book, as floats, in one native call; else the reader's own method is asked.

A function here has the parameters of the ``reader.Reader`` method of the same name, which is the documentation of both.
It answers where sides are complete, arguments are plain integers and floats, and all amounts fit 64 bits. A float
means its shortest text, here too.
"""

from functools import update_wrapper

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from orderbook.compiled.answers cimport new_named, renewed, rounded
from orderbook.compiled.arrays cimport best_array
from orderbook.compiled.blocks cimport best_of
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.measures cimport (
    POWERS, POWERS_MAX, PRODUCT_MAX, TOO_LARGE, Walk, size_of_best, size_to, walk_size,
)
from orderbook.compiled.touch cimport ReaderState

from orderbook.results import Band, Depth, Fill
from orderbook.types import Side

cdef object BID = Side.BID
cdef object ASK = Side.ASK
cdef object BAND = Band
cdef object DEPTH = Depth
cdef object FILL = Fill
cdef object WHOLE = False   # the answer is not partial; as an object, because a bare False becomes a 0

cdef enum:
    BPS = 10_000        # basis points in one
    DECIMALS_MAX = 12   # of a float that is taken here
    SHIFT_MAX = 18      # powers of ten up to here fit 64 bits

# Whole numbers below this have at most 15 digits: so many tell any two decimals apart once they are doubles.
cdef int64_t MANTISSA_MAX = 1_000_000_000_000_000

cdef dict PURE = {}     # the methods that are asked where the answer is not plain


cdef int64_t counted(object value):
    """A plain integer that is not negative; -1: something else."""
    cdef int overflow = 0
    cdef int64_t number
    if not PyLong_CheckExact(value):
        return -1
    number = PyLong_AsLongLongAndOverflow(value, &overflow)
    return -1 if overflow or number < 0 else number


cdef bint written(object value, int64_t* mantissa, int* decimals):
    """Take a number as the user writes it, as ``mantissa * 10**-decimals``; ``False``: not one for here."""
    cdef double number
    cdef int more
    if not PyFloat_CheckExact(value):
        mantissa[0] = counted(value)
        decimals[0] = 0
        return 0 <= mantissa[0] < MANTISSA_MAX
    number = PyFloat_AS_DOUBLE(value)
    if not 0.0 <= number < <double> MANTISSA_MAX:
        return False
    # Most are whole, and a division takes its time.
    mantissa[0] = <int64_t> number
    decimals[0] = 0
    if <double> mantissa[0] == number:
        return True
    for more in range(1, DECIMALS_MAX + 1):
        if number * POWERS[more] >= <double> MANTISSA_MAX:
            return False
        mantissa[0] = <int64_t> (number * POWERS[more] + 0.5)
        if <double> mantissa[0] / POWERS[more] == number:
            decimals[0] = more
            return mantissa[0] < MANTISSA_MAX
    return False


cdef bint is_complete(ContentState content) noexcept:
    """Whether neither side has a horizon."""
    return content.horizon.prices[0] == 0 and content.horizon.prices[1] == 0


cdef bint within(ContentState content, object bps, int64_t* sizes):
    """Raw sizes of both sides in a band; whether it could be told here."""
    cdef int64_t bid, ask, size, mantissa, one, below
    cdef int decimals
    if not best_of(content.bids, &bid, &size) or not best_of(content.asks, &ask, &size):
        return False
    if not written(bps, &mantissa, &decimals):
        return False
    # An edge is (bid + ask) * (one -+ mantissa) / below; either is held by 64 bits if the farther one is.
    one = BPS * <int64_t> POWERS[decimals]
    below = 2 * one
    if (<double> bid + <double> ask) * <double> (one + mantissa) > PRODUCT_MAX:
        return False
    sizes[0] = size_to(content.bids, ((bid + ask) * (one - mantissa) + below - 1) // below if one > mantissa else 0)
    sizes[1] = size_to(content.asks, (bid + ask) * (one + mantissa) // below)
    return sizes[0] != TOO_LARGE and sizes[1] != TOO_LARGE


def depth(ReaderState self not None, n, *, allow_partial=False):
    cdef ContentState content = self.plain()
    cdef int64_t count = counted(n)
    cdef double price_unit, size_unit
    cdef object bids, asks
    cdef PyObject* fields[3]
    if content is not None and count >= 0 and is_complete(content):
        price_unit, size_unit = POWERS[content.price_decimals], POWERS[content.size_decimals]
        bids = best_array(content.bids, count, price_unit, size_unit)
        asks = best_array(content.asks, count, price_unit, size_unit)
        if bids is not None and asks is not None:
            fields[0], fields[1], fields[2] = <PyObject*> bids, <PyObject*> asks, <PyObject*> WHOLE
            return new_named(DEPTH, 3, fields)
    return PURE["depth"](self, n, allow_partial=allow_partial)


def depth_within(ReaderState self not None, *, bps, allow_partial=False):
    cdef ContentState content = self.plain()
    cdef int64_t[2] sizes
    cdef object bids, asks
    cdef PyObject* fields[3]
    if content is not None and is_complete(content) and within(content, bps, sizes):
        bids = rounded(sizes[0], 1, content.size_decimals)
        asks = rounded(sizes[1], 1, content.size_decimals)
        fields[0], fields[1], fields[2] = <PyObject*> bids, <PyObject*> asks, <PyObject*> WHOLE
        return new_named(BAND, 3, fields)
    return PURE["depth_within"](self, bps=bps, allow_partial=allow_partial)


def imbalance(ReaderState self not None, *, levels=None, bps=None, allow_partial=False):
    cdef ContentState content = self.plain()
    cdef int64_t count
    cdef int64_t[2] sizes
    cdef bint is_known = False
    if content is not None and allow_partial is False and is_complete(content):
        if bps is None:
            count = counted(levels)
            if count > 0:
                sizes[0], sizes[1] = size_of_best(content.bids, count), size_of_best(content.asks, count)
                is_known = sizes[0] != TOO_LARGE and sizes[1] != TOO_LARGE
        elif levels is None:
            is_known = within(content, bps, sizes)
        if is_known:
            return rounded(sizes[0] - sizes[1], sizes[0] + sizes[1], 0) if sizes[0] + sizes[1] else None
    return PURE["imbalance"](self, levels=levels, bps=bps, allow_partial=allow_partial)


cdef object filled(ReaderState reader, ContentState content, Ladder ladder, object size):
    """The answer of ``fill`` for a size; ``None`` where it is not for here to say."""
    cdef int64_t wanted
    cdef int decimals, shift
    cdef Walk walk
    cdef object average = None
    cdef object worst = None
    cdef object done, quote, is_filled, level_count
    cdef PyObject* fields[7]
    if not written(size, &wanted, &decimals):
        return None
    shift = content.size_decimals - decimals
    if not 0 <= shift <= SHIFT_MAX or <double> wanted * POWERS[shift] > PRODUCT_MAX:
        return None
    wanted *= <int64_t> POWERS[shift]
    if not walk_size(ladder, wanted, &walk):
        return None
    if walk.filled:
        average = rounded(walk.quote, walk.filled, content.price_decimals)
        worst = rounded(walk.worst, 1, content.price_decimals)
    is_filled = walk.filled == wanted
    # What was asked for as a float is the same float, for it means its shortest text.
    if walk.filled == wanted != 0 and PyFloat_CheckExact(size):
        done = size
    else:
        done = rounded(walk.filled, 1, content.size_decimals)
    quote = rounded(walk.quote, 1, content.price_decimals + content.size_decimals)
    level_count = walk.level_count
    fields[0], fields[1], fields[2] = <PyObject*> average, <PyObject*> worst, <PyObject*> done
    fields[3], fields[4], fields[5] = <PyObject*> quote, <PyObject*> is_filled, <PyObject*> level_count
    fields[6] = <PyObject*> WHOLE
    reader._fill = renewed(<PyObject*> reader._fill, FILL, 7, fields)
    return reader._fill


def fill(ReaderState self not None, side, *, size=None, quote=None, allow_partial=False):
    cdef ContentState content = self.plain()
    cdef object answer
    if content is not None and size is not None and quote is None and (side is BID or side is ASK):
        if content.horizon.prices[side is ASK] == 0:
            answer = filled(self, content, content.bids if side is BID else content.asks, size)
            if answer is not None:
                return answer
    return PURE["fill"](self, side, size=size, quote=quote, allow_partial=allow_partial)


cdef dict NATIVE = {method.__name__: method for method in (depth, depth_within, imbalance, fill)}


def reader_method(method):
    """Answer a method of ``Reader`` here where the answer is plain, and by itself where not."""
    PURE[method.__name__] = method
    return update_wrapper(NATIVE[method.__name__], method)
