# Frames and REST bodies to numbers, without Python objects. What is not plain is refused, never guessed.

from cython cimport final

from orderbook.compiled.found cimport VALUES, Kind, Row, Scan, Value
from orderbook.compiled.plan cimport Plan


@final
cdef class Scanner(Plan):
    # The last message that was read in full, as a guess at how the next one looks.
    cdef char* last
    cdef Py_ssize_t last_length       # 0: there is none
    cdef Py_ssize_t last_capacity
    cdef Value values[VALUES]
    cdef int value_count

    cdef bint scan(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef bint _scan_alike(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef bint _scan_any(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef void _learn(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef const char* _value(self, const char* at, Kind kind, int target, Scan* found) noexcept nogil
    cdef const char* _object(self, const char* at, int node, int depth, Scan* found) noexcept nogil
    cdef const char* _rows(self, const char* at, int side, Scan* found) noexcept nogil
    cdef const char* _row(self, const char* at, Row* row, Scan* found) noexcept nogil
    cdef const char* _change(self, const char* at, Scan* found) noexcept nogil
