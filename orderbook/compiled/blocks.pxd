# Sorted blocks of keys in contiguous memory, for other compiled modules.

from cython cimport final
from libc.stdint cimport int64_t

cdef enum:
    BLOCK = 128  # levels; half as many are as fast, and take more memory; twice as many move more

ctypedef struct Block:
    int count
    int64_t keys[BLOCK]
    int64_t sizes[BLOCK]


cdef class Blocks:
    cdef int64_t _sign        # key = sign * price, ascending keys are worst first: the best is the last of all
    cdef Block** _blocks
    cdef int64_t* _firsts     # first key of each block
    cdef Py_ssize_t _count    # blocks in use; at least one
    cdef Py_ssize_t _capacity
    cdef Py_ssize_t _length   # levels
    cdef Block* _spare        # blocks to be had without asking for memory: a chain, through the first of their sizes
    cdef Py_ssize_t _spare_count
    cdef Py_ssize_t _changes  # so that iterators notice

    cdef bint reserve(self, Py_ssize_t rows) except False nogil
    cdef void relax(self) noexcept nogil
    cdef bint stock_levels(self, Py_ssize_t levels) except False nogil
    cdef bint push(self, int64_t price, int64_t size) noexcept nogil
    cdef int64_t put(self, int64_t price, int64_t size) noexcept nogil
    cdef int64_t size_at(self, int64_t price) noexcept nogil
    cdef bint touch(self, int64_t* price, int64_t* size) noexcept nogil
    cdef Py_ssize_t better(self, int64_t price) noexcept nogil
    cdef bint level(self, Py_ssize_t index, int64_t* price, int64_t* size) noexcept nogil

    cdef void trade(self, Blocks other) noexcept nogil

    cdef bint _stock(self, Py_ssize_t spares) except False nogil
    @final
    cdef Block* _taken(self) noexcept nogil
    @final
    cdef Py_ssize_t _block_of(self, int64_t key) noexcept nogil
    @final
    cdef void _insert(self, Py_ssize_t number, int at, int64_t key, int64_t size) noexcept nogil
    @final
    cdef void _remove(self, Py_ssize_t number, int at) noexcept nogil
    @final
    cdef void _drop(self, Py_ssize_t number) noexcept nogil
    @final
    cdef void _split(self, Py_ssize_t number, int at) noexcept nogil
    @final
    cdef void _merge(self, Py_ssize_t number) noexcept nogil
    cdef void _empty(self) noexcept nogil
