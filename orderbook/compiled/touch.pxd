# What every reader of a book needs, and the best levels as Python objects.

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState


cdef class GuardState:
    cdef public ContentState content
    cdef public bint is_plain      # LIVE, and no clock has a say
    cdef public bint is_kept       # only whoever keeps it changes it
    cdef public object pulse
    cdef public object _clock
    cdef public object _marked     # state, reason, since when


cdef class ReaderState:
    cdef public GuardState _guard
    cdef public object _form
    cdef public bint _guarded
    cdef public bint _is_float     # the form in which numbers are floats
    # The best levels as they were handed out last: made anew only when they change.
    cdef object _bid
    cdef object _ask
    cdef int64_t _prices[2]
    cdef int64_t _sizes[2]
    cdef int _scales[2]
    cdef object _fill       # what was answered last

    # The views of both sides, once they were asked for.
    cdef object _bids
    cdef object _asks

    @final
    cdef ContentState plain(self)
    @final
    cdef object _level(self, ContentState content, int side)
    @final
    cdef object levels(self, int side)
