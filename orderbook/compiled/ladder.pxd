# The compiled ladder, for other compiled modules.

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.blocks cimport BLOCK, Block, Blocks


@final
cdef class Ladder(Blocks):
    cdef readonly object side

    cdef void _rescale(self, int64_t price_factor, int64_t size_factor) noexcept
