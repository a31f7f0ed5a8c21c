# Sorted blocks of keys in contiguous memory, for other compiled modules; what each change does is inline.

from cython cimport final
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove

cdef extern from *:
    """
    #define ORDERBOOK_NONE ((int64_t)-1)
    #ifdef __GNUC__
    #define ORDERBOOK_FETCH(at) __builtin_prefetch(at)
    #else
    #define ORDERBOOK_FETCH(at) ((void)(at))
    #endif
    """
    void fetch "ORDERBOOK_FETCH"(const void* at) noexcept nogil   # memory that will be needed soon
    # Stands behind the last key of a block, and behind the last first key: none is greater, see ``lower``.
    const int64_t NONE "ORDERBOOK_NONE"

cdef enum:
    BLOCK = 64            # levels: what two rounds of comparisons with eight keys each find a place among
    SPARSE = BLOCK // 2   # a block with fewer levels is joined with a neighbour, if both together leave some room
    SPARES = 4            # blocks that even a small ladder keeps between changes
    BEHIND = BLOCK        # first keys that may be looked at behind the last one

ctypedef struct Block:
    int count
    int64_t keys[BLOCK]
    int64_t sizes[BLOCK]

ctypedef struct Place:
    Py_ssize_t block
    int at               # how many of its keys are below


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
    cdef void _give(self, Py_ssize_t number, int count) noexcept nogil
    @final
    cdef void _give_back(self, Py_ssize_t number, int count) noexcept nogil
    @final
    cdef void _split(self, Py_ssize_t number) noexcept nogil
    @final
    cdef void _merge(self, Py_ssize_t number) noexcept nogil
    cdef void _empty(self) noexcept nogil


cdef inline int lower(const int64_t* places, int64_t wanted) noexcept nogil:
    """How many of ``BLOCK`` ascending keys are below one.

    Without a branch, and what is compared within a round does not wait for each other: that memory is slow is the most
    of what a search takes. All keys of a ladder have the same sign, so they may be compared without one, which takes
    half the instructions.
    """
    cdef const uint64_t* keys = <const uint64_t*> places
    cdef uint64_t key = <uint64_t> wanted
    cdef Py_ssize_t eights = 0
    cdef Py_ssize_t more = 0
    # In two sums, for the same reason.
    eights += keys[7] < key
    more += keys[15] < key
    eights += keys[23] < key
    more += keys[31] < key
    eights += keys[39] < key
    more += keys[47] < key
    eights += keys[55] < key
    eights = 8 * (eights + more)
    keys += eights
    more = 0
    eights += keys[0] < key
    more += keys[1] < key
    eights += keys[2] < key
    more += keys[3] < key
    eights += keys[4] < key
    more += keys[5] < key
    eights += keys[6] < key
    more += keys[7] < key
    return <int>(eights + more)


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
    return firsts - (ladder._firsts + 1) + lower(firsts, <int64_t>(<uint64_t> key + 1))


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
    # Each block may be full already. A split leaves at most 7/8 of a block full, and levels that move to a neighbour
    # leave neither of both fuller than the fuller one was: so each split beyond those takes at least 8 more rows.
    cdef Py_ssize_t spares = rows // 8 + min(rows, ladder._count) + 1
    if ladder._spare_count >= spares and ladder._count + ladder._spare_count <= ladder._capacity:
        return True
    return ladder._stock(spares)


cdef inline void relax(Blocks ladder) noexcept nogil:
    """Give back what was reserved and not needed, but for a little: many rows are rare."""
    if ladder._spare_count > SPARES:
        ladder._free_spares()


cdef inline void find(Blocks ladder, int64_t price, Place* place) noexcept nogil:
    """Where a price stands, or would."""
    cdef int64_t key = ladder._sign * price
    cdef Block* block
    place.block = block_of(ladder, key)
    block = ladder._blocks[place.block]
    place.at = lower(block.keys, key)
    fetch(&block.count)
    fetch(&block.sizes[place.at])


cdef inline bint is_right(Blocks ladder, int64_t price, const Place* place) noexcept nogil:
    """Whether a place that was found before other changes is still that of a price; at the ends of a block it is not."""
    cdef int64_t key = ladder._sign * price
    cdef Block* block
    if place.block >= ladder._count:
        return False
    block = ladder._blocks[place.block]
    if not 0 < place.at < block.count:
        return False
    return block.keys[place.at - 1] < key <= block.keys[place.at]


cdef inline int64_t put(Blocks ladder, int64_t price, int64_t size, Place* place) noexcept nogil:
    """Put ``size`` at ``price``, 0 removes, where memory was reserved and it was found; returns the size that was there."""
    cdef int64_t key = ladder._sign * price
    cdef Block* block = ladder._blocks[place.block]
    cdef int at = place.at
    cdef bint is_there = at < block.count and block.keys[at] == key
    cdef int64_t previous = 0
    # The size is known before the place is found: what it decides is foreseen wrongly at little cost.
    if size == 0:
        if is_there:
            previous = block.sizes[at]
            remove(ladder, place.block, at)
    elif is_there:
        previous = block.sizes[at]
        block.sizes[at] = size
    else:
        insert(ladder, place.block, at, key, size)
    return previous


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
