# One side of a book, and the levels that were handed out of it last.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.touch cimport GuardState

ctypedef struct Kept:
    Py_ssize_t count
    int scale           # both decimals in one number
    int64_t* keys       # as in a ladder, the best last: this points behind it,
    int64_t* sizes      # and so does this
    PyObject** levels   # owned, best first; behind what was asked for last, levels that may be gone by now


cdef class SideState:
    cdef readonly object side
    cdef public GuardState _guard
    cdef public object _form
    cdef public bint _guarded
    cdef bint _is_float
    cdef int _number    # 0: bids, 1: asks
    cdef Kept* _kept    # NULL: none were asked for yet
    cdef int64_t _renewals
    cdef list _last     # the lists that were handed out last
    cdef list _before

    cdef ContentState _plain(self)
    cdef object _first(self, object count)
    cdef object _listed(self, Kept* kept, Py_ssize_t n)
    cdef object _at(self, object index)
    cdef Kept* _renewed(self, Ladder ladder, Py_ssize_t n, int price_decimals, int size_decimals) except NULL
