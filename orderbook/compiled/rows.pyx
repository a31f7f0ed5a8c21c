# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Changes that are parsed already: rows of plain texts, floats and integers go to the book in one native call.

Only exact lists and tuples of exact ``str``, ``float`` and ``int`` are taken, so that no code of anybody else runs
between the first row and the last. Everything else is for ``_apply_changes`` to judge; nothing has changed until then.
"""

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact
from libc.math cimport rint
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.found cimport Row, Scan, begin, relax, room
from orderbook.compiled.measures cimport POWERS
from orderbook.compiled.numbers cimport ORDERBOOK_EIGHT, decimal, short_decimal
from orderbook.compiled.touch cimport GuardState, ReaderState

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char* PyUnicode_DATA(object text)

cdef enum:
    SCALE = 22       # powers of ten up to here are exact as doubles

cdef int64_t INTEGER_MAX = 999_999_999_999_999_999
cdef double DIGITS_15 = 1e15

# Used and done with within one call, which holds the GIL throughout.
cdef Scan SCRATCH
begin(&SCRATCH)


cdef inline bint number(object value, int scale, int64_t* digits, int* decimals):
    """One price or size as digits and decimals; whether it is plain.

    A float means its shortest text. If some whole number below 10**15, divided by a power of ten, gives the very same
    float, then it is that text's value: decimals of up to 15 digits are all different as doubles, so no other one of so
    few digits gives it, and the shortest text has no more digits.
    """
    cdef const char* text
    cdef const char* end
    cdef Py_ssize_t length
    cdef uint64_t word
    cdef double real
    cdef double whole
    cdef int overflow = 0
    if PyUnicode_CheckExact(value):
        if not PyUnicode_IS_COMPACT_ASCII(value):
            return False
        text = PyUnicode_DATA(value)
        length = PyUnicode_GET_LENGTH(value)
        end = text + length
        if ORDERBOOK_EIGHT and 0 < length < 8:
            # Before the text the rest of its object stands: that is shifted out, and zeros come in behind.
            memcpy(&word, end - 8, 8)
            if short_decimal(word >> (64 - 8 * length), digits, decimals) == length:
                return True
        return decimal(text, end, digits, decimals) == end
    if PyFloat_CheckExact(value):
        real = PyFloat_AS_DOUBLE(value)
        if scale > SCALE or not 0.0 <= real < DIGITS_15:
            return False
        whole = rint(real * POWERS[scale])
        if not whole < DIGITS_15 or whole / POWERS[scale] != real:
            return False
        digits[0] = <int64_t> whole
        decimals[0] = scale
        return True
    if PyLong_CheckExact(value):
        digits[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
        decimals[0] = 0
        return overflow == 0 and 0 <= digits[0] <= INTEGER_MAX
    return False


cdef bint read(object rows, int side, ContentState content):
    """Read the rows of one side into the scratch; whether all of them are plain."""
    cdef Py_ssize_t place
    cdef Py_ssize_t count
    cdef bint is_list = PyList_CheckExact(rows)
    cdef Row* row
    cdef PyObject* pair
    cdef object price
    cdef object size
    SCRATCH.sides[side].count = 0
    if not is_list and not PyTuple_CheckExact(rows):
        return False
    count = PyList_GET_SIZE(rows) if is_list else PyTuple_GET_SIZE(rows)
    for place in range(count):
        pair = PyList_GET_ITEM(rows, place) if is_list else PyTuple_GET_ITEM(rows, place)
        if PyTuple_CheckExact(<object> pair) and PyTuple_GET_SIZE(<object> pair) == 2:
            price = <object> PyTuple_GET_ITEM(<object> pair, 0)
            size = <object> PyTuple_GET_ITEM(<object> pair, 1)
        elif PyList_CheckExact(<object> pair) and PyList_GET_SIZE(<object> pair) == 2:
            price = <object> PyList_GET_ITEM(<object> pair, 0)
            size = <object> PyList_GET_ITEM(<object> pair, 1)
        else:
            return False
        row = room(&SCRATCH.sides[side], &SCRATCH)
        if row == NULL:
            return False
        if not number(price, content.price_decimals, &row.price, &row.price_decimals):
            return False
        if not number(size, content.size_decimals, &row.size, &row.size_decimals):
            return False
        row.sequence = -1
        SCRATCH.sides[side].count += 1
    return True


cdef class Changed:
    """What ``OrderBook`` is made of where others tell it of changes; ``_apply_changes`` is the way of Python."""

    def apply_changes(self, bids, asks, sequence, *, venue_ms=None):
        cdef GuardState guard = (<ReaderState?> self)._guard
        cdef ContentState content = None if guard is None else guard.content
        cdef int overflow = 0
        cdef bint taken = False
        if content is not None and guard.is_plain and not guard.is_kept and guard._clock is None and PyLong_CheckExact(sequence):
            SCRATCH.end = PyLong_AsLongLongAndOverflow(sequence, &overflow)
            if overflow == 0 and SCRATCH.end > content.sequence:
                SCRATCH.time = -1
                if PyLong_CheckExact(venue_ms):
                    SCRATCH.time = PyLong_AsLongLongAndOverflow(venue_ms, &overflow)
                if overflow == 0 and (venue_ms is None or SCRATCH.time >= 0):
                    taken = read(bids, 0, content) and read(asks, 1, content) and content.take(content.bids, content.asks, &SCRATCH)
                    relax(&SCRATCH)
        if not taken:
            self._apply_changes(bids, asks, sequence, venue_ms)
