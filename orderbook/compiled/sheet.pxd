# The arrays in which a replay is recorded, for other compiled modules.

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder

cdef enum:
    COLUMNS = 8


cdef class Sheet:
    cdef object _kept
    cdef int64_t* _sequence
    cdef int64_t* _venue_ms
    cdef char* _live
    cdef char* _partial
    cdef double* _columns[COLUMNS]    # in the order of ``sync.tape.QUESTIONS``; NULL: not asked for
    cdef bint _has_quotients
    cdef double* _imbalance
    cdef Py_ssize_t _levels
    cdef double* _rows[2]
    cdef Py_ssize_t _depth

    cdef int write(self, Py_ssize_t row, ContentState content, Ladder bids, Ladder asks) except -1 nogil
    @final
    cdef int _write_best(
        self, Py_ssize_t row, ContentState content, int side, Ladder ladder, Py_ssize_t known, bint is_cut,
        int64_t* touch,
    ) except -1 nogil
    @final
    cdef int _write_value(self, double* value, int64_t raw, int decimals) except -1 nogil
    @final
    cdef int _write_quotients(
        self, Py_ssize_t row, ContentState content, Py_ssize_t* known, bint* is_cut, int64_t* touch
    ) except -1 nogil
    @final
    cdef int _write_imbalance(
        self, Py_ssize_t row, Ladder bids, Ladder asks, Py_ssize_t* known, bint* is_cut
    ) except -1 nogil
    @final
    cdef int _write_depth(
        self, Py_ssize_t row, ContentState content, int side, Ladder ladder, Py_ssize_t known, bint is_cut
    ) except -1 nogil
