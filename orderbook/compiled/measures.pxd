# What can be measured on a ladder without a Python object, so also without the GIL.

from libc.stdint cimport int64_t

from orderbook.compiled.ladder cimport Ladder

cdef enum:
    TOO_LARGE = -1      # the answer does not fit here: ask the pure functions
    POWERS_MAX = 22     # powers of ten up to here are exact as doubles,

cdef int64_t EXACT      # and so are integers up to this one: 2**53

cdef double[POWERS_MAX + 1] POWERS

cdef double PRODUCT_MAX # two products below this, each judged as a double, have a sum that fits 64 bits

ctypedef struct Walk:
    int64_t filled       # raw size units
    int64_t quote        # raw price units times raw size units
    int64_t worst        # raw price of the last level touched; 0: none was
    Py_ssize_t level_count


cdef int64_t size_of_best(Ladder ladder, Py_ssize_t n) noexcept nogil
cdef int64_t size_to(Ladder ladder, int64_t price) noexcept nogil
cdef Py_ssize_t best_levels(Ladder ladder, Py_ssize_t n, int64_t* prices, int64_t* sizes) noexcept nogil
cdef Py_ssize_t best_rows(
    Ladder ladder, Py_ssize_t n, double price_unit, double size_unit, double* rows
) noexcept nogil
cdef bint walk_size(Ladder ladder, int64_t wanted, Walk* walk) noexcept nogil
