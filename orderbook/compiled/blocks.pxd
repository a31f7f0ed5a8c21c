# Sorted blocks of keys in contiguous memory, for other compiled modules; what each change does is inline.

from cython cimport final
from libc.stdint cimport int64_t
from libc.string cimport memmove

cdef extern from "<stdint.h>":
    const int64_t NONE "INT64_MAX"  # stands behind the last key of a block, and the last first key; none is greater

cdef enum:
    BLOCK = 64            # levels: what two rounds of comparisons with eight keys each find a place among
    SPARSE = BLOCK // 2   # a block with fewer levels is joined with a neighbour, if both together leave some room
    SPARES = 4            # blocks that even a small ladder keeps between changes
    BEHIND = BLOCK        # first keys that may be looked at behind the last one

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

    cdef bint stock_levels(self, Py_ssize_t levels) except False nogil
    cdef bint push(self, int64_t price, int64_t size) noexcept nogil
    cdef int64_t size_at(self, int64_t price) noexcept nogil
    cdef Py_ssize_t better(self, int64_t price) noexcept nogil
    cdef bint level(self, Py_ssize_t index, int64_t* price, int64_t* size) noexcept nogil

    cdef void trade(self, Blocks other) noexcept nogil

    cdef bint _stock(self, Py_ssize_t spares) except False nogil
    cdef Block* _taken(self) noexcept nogil
    cdef void _free_spares(self) noexcept nogil
    cdef Py_ssize_t _widen(self, Py_ssize_t number, int at) noexcept nogil
    cdef void _thin(self, Py_ssize_t number) noexcept nogil
    @final
    cdef void _drop(self, Py_ssize_t number) noexcept nogil
    @final
    cdef void _split(self, Py_ssize_t number, int at) noexcept nogil
    @final
    cdef void _merge(self, Py_ssize_t number) noexcept nogil
    cdef void _empty(self) noexcept nogil


cdef inline int lower(const int64_t* keys, int64_t key) noexcept nogil:
    """How many of ``BLOCK`` ascending keys are below ``key``.

    Without a branch, and what is compared within a round does not wait for each other: that memory is slow is the most
    of what a search takes.
    """
    cdef int at = 8 * (
        (keys[7] < key) + (keys[15] < key) + (keys[23] < key) + (keys[31] < key)
        + (keys[39] < key) + (keys[47] < key) + (keys[55] < key)
    )
    keys += at
    return at + (
        (keys[0] < key) + (keys[1] < key) + (keys[2] < key) + (keys[3] < key)
        + (keys[4] < key) + (keys[5] < key) + (keys[6] < key) + (keys[7] < key)
    )


cdef inline Py_ssize_t block_of(Blocks ladder, int64_t key) noexcept nogil:
    """The block in which a key stands, or would. The first one takes whatever is below its first key, too."""
    cdef const int64_t* firsts = ladder._firsts + 1
    cdef Py_ssize_t left = ladder._count - 1
    cdef Py_ssize_t half
    if key == NONE:
        return left
    while left > BLOCK:
        half = left >> 1
        firsts += -<Py_ssize_t>(firsts[half - 1] <= key) & half
        left -= half
    return firsts - (ladder._firsts + 1) + lower(firsts, key + 1)


cdef inline bint best_of(Blocks ladder, int64_t* price, int64_t* size) noexcept nogil:
    """The best level, if there is one."""
    cdef Block* block = ladder._blocks[ladder._count - 1]
    if block.count == 0:
        return False
    price[0] = ladder._sign * block.keys[block.count - 1]
    size[0] = block.sizes[block.count - 1]
    return True


cdef inline bint reserve(Blocks ladder, Py_ssize_t rows) except False nogil:
    """See that so many rows can be put without asking for memory: then a change cannot fail half way."""
    # Each block may be full already; once it was split, the next split of it takes some more rows.
    cdef Py_ssize_t spares = rows // 8 + min(rows, ladder._count) + 1
    if ladder._spare_count >= spares and ladder._count + ladder._spare_count <= ladder._capacity:
        return True
    return ladder._stock(spares)


cdef inline void relax(Blocks ladder) noexcept nogil:
    """Give back what was reserved and not needed, but for a little: many rows are rare."""
    if ladder._spare_count > SPARES:
        ladder._free_spares()


cdef inline int64_t put(Blocks ladder, int64_t price, int64_t size) noexcept nogil:
    """Put ``size`` at ``price``, 0 removes, where memory was reserved; returns the size that was there."""
    cdef int64_t key = ladder._sign * price
    cdef Py_ssize_t number = block_of(ladder, key)
    cdef Block* block = ladder._blocks[number]
    cdef int at = lower(block.keys, key)
    cdef int64_t previous
    if at < block.count and block.keys[at] == key:
        previous = block.sizes[at]
        if size:
            block.sizes[at] = size
        else:
            remove(ladder, number, at)
        return previous
    if size:
        insert(ladder, number, at, key, size)
    return 0


cdef inline void insert(Blocks ladder, Py_ssize_t number, int at, int64_t key, int64_t size) noexcept nogil:
    cdef Block* block = ladder._blocks[number]
    if block.count == BLOCK:
        number = ladder._widen(number, at)
        block = ladder._blocks[number]
        at = lower(block.keys, key)
    memmove(&block.keys[at + 1], &block.keys[at], (block.count - at) * sizeof(int64_t))
    memmove(&block.sizes[at + 1], &block.sizes[at], (block.count - at) * sizeof(int64_t))
    block.keys[at] = key
    block.sizes[at] = size
    block.count += 1
    ladder._length += 1
    ladder._changes += 1
    if at == 0:
        ladder._firsts[number] = key


cdef inline void remove(Blocks ladder, Py_ssize_t number, int at) noexcept nogil:
    cdef Block* block = ladder._blocks[number]
    block.count -= 1
    memmove(&block.keys[at], &block.keys[at + 1], (block.count - at) * sizeof(int64_t))
    memmove(&block.sizes[at], &block.sizes[at + 1], (block.count - at) * sizeof(int64_t))
    block.keys[block.count] = NONE
    ladder._length -= 1
    ladder._changes += 1
    if at == 0 and block.count:
        ladder._firsts[number] = block.keys[0]
    if block.count < SPARSE:
        ladder._thin(number)
