# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Changes that are parsed already: rows of plain texts, floats and integers go to the book in one native call.

Only exact lists and tuples of exact ``str``, ``float`` and ``int`` are taken, so that no code of anybody else runs
between the first row and the last. Everything else is for ``_apply_changes`` to judge; nothing has changed until then.
"""

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.found cimport Row, Rows, Scan, begin, relax, room
from orderbook.compiled.measures cimport POWERS
from orderbook.compiled.numbers cimport ORDERBOOK_EIGHT, decimal, short_decimal
from orderbook.compiled.touch cimport GuardState, ReaderState

cdef extern from *:
    """
    /* What a list or a tuple holds; NULL for anything else. */
    static CYTHON_INLINE PyObject **items_of(PyObject *rows, Py_ssize_t *count) {
        if (PyTuple_CheckExact(rows)) {
            *count = PyTuple_GET_SIZE(rows);
            return ((PyTupleObject *)rows)->ob_item;
        }
        if (!PyList_CheckExact(rows)) return NULL;
        *count = PyList_GET_SIZE(rows);
        /* That of an empty list is NULL, too. */
        return *count ? ((PyListObject *)rows)->ob_item : (PyObject **)rows;
    }
    """
    PyObject** items_of(PyObject* rows, Py_ssize_t* count) noexcept

# Borrowed all the time, so none of this counts references.
cdef extern from "Python.h":
    bint is_text "PyUnicode_CheckExact"(PyObject* value) noexcept
    bint is_ascii "PyUnicode_IS_COMPACT_ASCII"(PyObject* text) noexcept
    Py_ssize_t length_of "PyUnicode_GET_LENGTH"(PyObject* text) noexcept
    const char* text_of "PyUnicode_DATA"(PyObject* text) noexcept
    bint is_real "PyFloat_CheckExact"(PyObject* value) noexcept
    double real_of "PyFloat_AS_DOUBLE"(PyObject* value) noexcept

cdef enum:
    SCALE = 22       # powers of ten up to here are exact as doubles

cdef int64_t INTEGER_MAX = 999_999_999_999_999_999
cdef int64_t WHOLE_15 = 1_000_000_000_000_000
cdef double DIGITS_15 = 1e15

# Used and done with within one call, which holds the GIL throughout.
cdef Scan SCRATCH
begin(&SCRATCH)


cdef inline bint number(PyObject* value, int scale, double power, int64_t* digits, int* decimals) noexcept:
    """One price or size as digits and decimals; whether it is plain.

    A float means its shortest text. If some whole number below 10**15, divided by a power of ten, gives the very same
    float, then it is that text's value: decimals of up to 15 digits are all different as doubles, so no other one of so
    few digits gives it, and the shortest text has no more digits.
    """
    cdef const char* text
    cdef Py_ssize_t length
    cdef double real
    cdef uint64_t word
    cdef int overflow = 0
    if is_text(value):
        if not is_ascii(value):
            return False
        text = text_of(value)
        length = length_of(value)
        if ORDERBOOK_EIGHT and 0 < length < 8:
            # Before the text the rest of its object stands: that is shifted out, and zeros come in behind.
            memcpy(&word, text + length - 8, 8)
            if short_decimal(word >> (64 - 8 * length), digits, decimals) == length:
                return True
        return decimal(text, text + length, digits, decimals) == text + length
    if is_real(value):
        real = real_of(value)
        if not 0.0 <= real < DIGITS_15 or not real * power < DIGITS_15 or scale > SCALE:
            return False
        # The product is next to a whole number, if it belongs to one: less than a tenth away.
        digits[0] = <int64_t>(real * power + 0.5)
        decimals[0] = scale
        return digits[0] < WHOLE_15 and <double> digits[0] / power == real
    if PyLong_CheckExact(<object> value):
        digits[0] = PyLong_AsLongLongAndOverflow(<object> value, &overflow)
        decimals[0] = 0
        return overflow == 0 and 0 <= digits[0] <= INTEGER_MAX
    return False


cdef bint read(PyObject* side, Rows* rows, int price_decimals, int size_decimals) noexcept:
    """Read the rows of one side into the scratch; whether all of them are plain."""
    cdef double price_power = POWERS[min(price_decimals, SCALE)]
    cdef double size_power = POWERS[min(size_decimals, SCALE)]
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t width = 0
    cdef PyObject** pairs = items_of(side, &count)
    cdef PyObject** pair
    cdef Py_ssize_t place
    cdef Row* row
    rows.count = 0
    if pairs == NULL:
        return False
    for place in range(count):
        pair = items_of(pairs[place], &width)
        if pair == NULL or width != 2:
            return False
        row = room(rows, &SCRATCH)
        if row == NULL:
            return False
        if not number(pair[0], price_decimals, price_power, &row.price, &row.price_decimals):
            return False
        if not number(pair[1], size_decimals, size_power, &row.size, &row.size_decimals):
            return False
        row.sequence = -1
        rows.count += 1
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
                    taken = (
                        read(<PyObject*> bids, &SCRATCH.sides[0], content.price_decimals, content.size_decimals)
                        and read(<PyObject*> asks, &SCRATCH.sides[1], content.price_decimals, content.size_decimals)
                        and content.take(content.bids, content.asks, &SCRATCH)
                    )
                    relax(&SCRATCH)
        if not taken:
            self._apply_changes(bids, asks, sequence, venue_ms)
