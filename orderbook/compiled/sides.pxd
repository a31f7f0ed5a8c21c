# One side of a book, and the levels that were handed out of it last.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.touch cimport GuardState

ctypedef struct Kept:
    Py_ssize_t count
    int scale           # both decimals in one number
    int64_t* prices     # best first; behind what was asked for last, levels that may be gone by now
    int64_t* sizes
    PyObject** levels   # owned


cdef class SideState:
    cdef readonly object side
    cdef public GuardState _guard
    cdef public object _form
    cdef public bint _guarded
    cdef bint _is_float
    cdef int _number    # 0: bids, 1: asks
    cdef Kept* _kept    # NULL: none were asked for yet

    cdef ContentState _plain(self)
    cdef object _first(self, object count)
    cdef object _at(self, object index)
    cdef Kept* _renewed(self, Ladder ladder, Py_ssize_t n, int price_decimals, int size_decimals) except NULL
