# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What a LIVE book answers, written into arrays without the GIL. Twin of ``sync.tape.Tape.note``.

Numbers are rounded once, and correctly. Where machine integers do not suffice, the pure functions are asked, for that one
number.
"""

from libc.math cimport NAN
from libc.stdint cimport int64_t

cimport numpy

from orderbook.compiled.answers cimport MICROPRICE, SPREAD, SPREAD_BPS, nearest, touch_ratio
from orderbook.compiled.blocks cimport best_of
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.measures cimport POWERS, TOO_LARGE, best_rows, size_of_best

from orderbook import queries
from orderbook.forms import FLOAT
from orderbook.sync.tape import QUESTIONS

numpy.import_array()

cdef enum:
    PRICE = 0       # the columns of a side; twice as many are those of both sides,
    SIZE = 1
    QUOTIENTS = 4   # behind which are those that follow from both best levels

cdef tuple PURE = (queries.spread, queries.spread_bps, queries.mid, queries.microprice)


cdef class Sheet:
    """The arrays of a tape.

    Args:
        tape: A ``sync.tape.Tape`` that was started; its scales have at most ``POWERS_MAX`` decimals together.
    """

    def __init__(self, tape):
        self._kept = tape
        self._sequence = <int64_t*> numpy.PyArray_DATA(tape.sequence)
        self._venue_ms = <int64_t*> numpy.PyArray_DATA(tape.venue_ms)
        self._live = <char*> numpy.PyArray_DATA(tape.live)
        self._partial = <char*> numpy.PyArray_DATA(tape.partial)
        for number, name in enumerate(QUESTIONS):
            if name in tape.columns:
                self._columns[number] = <double*> numpy.PyArray_DATA(tape.columns[name])
                self._has_quotients |= number >= QUOTIENTS
        if tape.imbalance is not None:
            # More levels than there can be are all of them.
            self._levels = min(tape.imbalance, 1 << 62)
            self._imbalance = <double*> numpy.PyArray_DATA(tape.columns["imbalance"])
        if tape.depth is not None:
            self._depth = tape.depth
            self._rows[0] = <double*> numpy.PyArray_DATA(tape.bids)
            self._rows[1] = <double*> numpy.PyArray_DATA(tape.asks)

    cdef int write(self, Py_ssize_t row, ContentState content, Ladder bids, Ladder asks) except -1 nogil:
        """Write a row."""
        cdef int64_t[4] touch
        cdef Py_ssize_t[2] known
        cdef bint[2] is_cut
        self._sequence[row] = content.sequence
        self._venue_ms[row] = content._venue_ms
        self._live[row] = True
        self._partial[row] = False
        is_cut[0], is_cut[1] = content.horizon.prices[0] != 0, content.horizon.prices[1] != 0
        known[0] = bids.better(content.horizon.prices[0]) if is_cut[0] else bids._length
        known[1] = asks.better(content.horizon.prices[1]) if is_cut[1] else asks._length
        self._write_best(row, content, 0, bids, known[0], is_cut[0], touch)
        self._write_best(row, content, 1, asks, known[1], is_cut[1], touch + 2)
        if self._has_quotients:
            self._write_quotients(row, content, known, is_cut, touch)
        if self._imbalance != NULL:
            self._write_imbalance(row, bids, asks, known, is_cut)
        if self._depth:
            self._write_depth(row, content, 0, bids, known[0], is_cut[0])
            self._write_depth(row, content, 1, asks, known[1], is_cut[1])
        return 0

    cdef int _write_best(
        self, Py_ssize_t row, ContentState content, int side, Ladder ladder, Py_ssize_t known, bint is_cut,
        int64_t* touch,
    ) except -1 nogil:
        cdef double* prices = self._columns[2 * side + PRICE]
        cdef double* sizes = self._columns[2 * side + SIZE]
        touch[0] = touch[1] = 0
        if known:
            best_of(ladder, &touch[0], &touch[1])
        elif is_cut and (prices != NULL or sizes != NULL):
            self._partial[row] = True
        if prices != NULL:
            self._write_value(&prices[row], touch[0], content.price_decimals)
        if sizes != NULL:
            self._write_value(&sizes[row], touch[1], content.size_decimals)
        return 0

    cdef int _write_value(self, double* value, int64_t raw, int decimals) except -1 nogil:
        """A price or a size; none of them is 0."""
        if raw == 0:
            value[0] = NAN
        elif not nearest(raw, 1, decimals, value):
            with gil:
                value[0] = FLOAT.value(raw, decimals)
        return 0

    cdef int _write_quotients(
        self, Py_ssize_t row, ContentState content, Py_ssize_t* known, bint* is_cut, int64_t* touch
    ) except -1 nogil:
        cdef int question
        cdef int decimals
        cdef int64_t numerator
        cdef int64_t denominator
        cdef double* column
        if (is_cut[0] and known[0] == 0) or (is_cut[1] and known[1] == 0):
            self._partial[row] = True
        for question in range(SPREAD, MICROPRICE + 1):
            column = self._columns[QUOTIENTS + question]
            if column == NULL:
                continue
            if known[0] == 0 or known[1] == 0:
                column[row] = NAN
                continue
            decimals = 0 if question == SPREAD_BPS else content.price_decimals
            if touch_ratio(question, touch[0], touch[1], touch[2], touch[3], &numerator, &denominator):
                if nearest(numerator, denominator, decimals, &column[row]):
                    continue
            with gil:
                ratio = PURE[question]((touch[0], touch[1]), (touch[2], touch[3]))
                column[row] = FLOAT.quotient(*(ratio if question != SPREAD else (ratio, 1)), decimals)
        return 0

    cdef int _write_imbalance(
        self, Py_ssize_t row, Ladder bids, Ladder asks, Py_ssize_t* known, bint* is_cut
    ) except -1 nogil:
        cdef int64_t bid_size
        cdef int64_t ask_size
        if (is_cut[0] and known[0] < self._levels) or (is_cut[1] and known[1] < self._levels):
            self._partial[row] = True
            self._imbalance[row] = NAN
            return 0
        bid_size, ask_size = size_of_best(bids, self._levels), size_of_best(asks, self._levels)
        if bid_size != TOO_LARGE and ask_size != TOO_LARGE:
            if bid_size + ask_size == 0:
                self._imbalance[row] = NAN
                return 0
            if nearest(bid_size - ask_size, bid_size + ask_size, 0, &self._imbalance[row]):
                return 0
        with gil:
            ratio = queries.imbalance(queries.total(bids.top(self._levels)), queries.total(asks.top(self._levels)))
            self._imbalance[row] = FLOAT.quotient(*ratio, 0)
        return 0

    cdef int _write_depth(
        self, Py_ssize_t row, ContentState content, int side, Ladder ladder, Py_ssize_t known, bint is_cut
    ) except -1 nogil:
        cdef double* rows = self._rows[side] + row * 2 * self._depth
        cdef Py_ssize_t count = self._depth
        cdef Py_ssize_t at
        if known < count:
            count = known
            if is_cut:
                self._partial[row] = True
        if best_rows(ladder, count, POWERS[content.price_decimals], POWERS[content.size_decimals], rows) == TOO_LARGE:
            with gil:
                for at, (price, size) in enumerate(ladder.top(count)):
                    rows[2 * at] = FLOAT.value(price, content.price_decimals)
                    rows[2 * at + 1] = FLOAT.value(size, content.size_decimals)
        for at in range(2 * count, 2 * self._depth):
            rows[at] = NAN
        return 0
