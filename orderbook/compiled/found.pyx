# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The memory of what is found in a message."""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


cdef void begin(Scan* scan) noexcept nogil:
    """Make it usable for the first time."""
    cdef int side
    for side in range(2):
        scan.sides[side].first = NULL
        scan.sides[side].count = scan.sides[side].capacity = 0
    for side in range(2):
        memcpy(&scan.leads[side].text, b"10000000", 8)
        scan.leads[side].value = 10_000_000
        scan.leads[side].more = 0
    scan.price_length = 0
    scan.no_memory = False


cdef void finish(Scan* scan) noexcept nogil:
    """Give its memory back."""
    free(scan.sides[0].first)
    free(scan.sides[1].first)


cdef bint grow(Rows* rows) noexcept nogil:
    """Make room for more rows; whether there was memory."""
    cdef Py_ssize_t capacity = 2 * rows.capacity + 64
    cdef void* grown = realloc(rows.first, capacity * sizeof(Row))
    if grown == NULL:
        return False
    rows.first = <Row*> grown
    rows.capacity = capacity
    return True
