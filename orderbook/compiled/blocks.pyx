# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Levels in sorted blocks of native memory, and how they change: what the compiled ladder is made of.

A key is the price of a bid and the negative price of an ask, so that the best level is the last of all: near the touch,
where nearly every change is, little has to be moved, and the block to look into is the last one. Elsewhere a change
moves no more than one block.
"""

from cython cimport final
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove


cdef enum:
    ROOM = BLOCK - BLOCK // 8    # levels at most of two blocks that are joined
    FILLED = BLOCK - BLOCK // 8  # levels of a block when a whole ladder is loaded


cdef inline void clear(Block* block, int at) noexcept nogil:
    """Nothing stands behind the last level."""
    for at in range(at, BLOCK):
        block.keys[at] = NONE


cdef int _refuse() except -1 nogil:
    with gil:
        raise MemoryError("no memory for more blocks of levels")


cdef class Blocks:
    """Levels by key, worst first. Prices and sizes are as in a ladder; the questions are asked there."""

    def __cinit__(self):
        self._capacity = 0
        self._stock(1)
        self._blocks[0] = self._taken()
        self._count = 1
        self._empty()

    def __dealloc__(self):
        cdef Py_ssize_t number
        for number in range(self._count):
            free(self._blocks[number])
        while self._spare != NULL:
            free(self._taken())
        free(self._blocks)
        free(self._firsts)

    # -- for compiled callers --

    cdef bint push(self, int64_t price, int64_t size) noexcept nogil:
        """Put a level that is better than all, where memory was stocked; whether it is better, else nothing is done."""
        cdef int64_t key = self._sign * price
        cdef Block* block = self._blocks[self._count - 1]
        if block.count and key <= block.keys[block.count - 1]:
            return False
        if block.count >= FILLED:
            block = self._taken()
            self._blocks[self._count] = block
            self._count += 1
        if block.count == 0:
            self._firsts[self._count - 1] = key
        block.keys[block.count] = key
        block.sizes[block.count] = size
        block.count += 1
        self._length += 1
        self._changes += 1
        return True

    cdef bint stock_levels(self, Py_ssize_t levels) except False nogil:
        """See that so many levels can be pushed."""
        return self._stock(levels // FILLED + 1)

    cdef int64_t size_at(self, int64_t price) noexcept nogil:
        """As ``get``."""
        cdef Block* block
        cdef Place place
        if price <= 0:
            return 0
        find(self, price, &place)
        block = self._blocks[place.block]
        return block.sizes[place.at] if place.at < block.count and block.keys[place.at] == self._sign * price else 0

    cdef Py_ssize_t better(self, int64_t price) noexcept nogil:
        """As ``count_to``."""
        cdef Py_ssize_t number
        cdef Py_ssize_t found
        cdef Place place
        if price <= 0:
            return self._length if self._sign > 0 else 0
        find(self, price, &place)
        found = self._blocks[place.block].count - place.at
        for number in range(place.block + 1, self._count):
            found += self._blocks[number].count
        return found

    cdef bint level(self, Py_ssize_t index, int64_t* price, int64_t* size) noexcept nogil:
        """The level at a position from the best, if there is one."""
        cdef Py_ssize_t number = self._count - 1
        cdef Block* block
        if index < 0 or index >= self._length:
            return False
        block = self._blocks[number]
        while index >= block.count:
            index -= block.count
            number -= 1
            block = self._blocks[number]
        price[0] = self._sign * block.keys[block.count - 1 - index]
        size[0] = block.sizes[block.count - 1 - index]
        return True

    cdef void trade(self, Blocks other) noexcept nogil:
        """Exchange all levels, and their memory, with those of another one of the same side. O(1)."""
        self._blocks, other._blocks = other._blocks, self._blocks
        self._firsts, other._firsts = other._firsts, self._firsts
        self._count, other._count = other._count, self._count
        self._capacity, other._capacity = other._capacity, self._capacity
        self._length, other._length = other._length, self._length
        self._spare, other._spare = other._spare, self._spare
        self._spare_count, other._spare_count = other._spare_count, self._spare_count
        self._changes += 1
        other._changes += 1

    # -- blocks --

    cdef bint _stock(self, Py_ssize_t spares) except False nogil:
        """See that there are so many spare blocks, and room for pointers to them."""
        cdef Py_ssize_t capacity
        cdef Py_ssize_t number
        cdef Block* block
        cdef void* grown
        while self._spare_count < spares:
            block = <Block*> malloc(sizeof(Block))
            if block == NULL:
                _refuse()
            block.sizes[0] = <int64_t> self._spare
            self._spare = block
            self._spare_count += 1
        if self._count + self._spare_count > self._capacity:
            capacity = self._count + self._spare_count + (self._count + self._spare_count) // 4
            grown = realloc(self._blocks, capacity * sizeof(Block*))
            if grown == NULL:
                _refuse()
            self._blocks = <Block**> grown
            grown = realloc(self._firsts, (capacity + BEHIND) * sizeof(int64_t))
            if grown == NULL:
                _refuse()
            self._firsts = <int64_t*> grown
            for number in range(self._count, capacity + BEHIND):
                self._firsts[number] = NONE
            self._capacity = capacity
        return True

    cdef Block* _taken(self) noexcept nogil:
        """A spare block, empty, to be used or freed."""
        cdef Block* block = self._spare
        self._spare = <Block*> block.sizes[0]
        self._spare_count -= 1
        block.count = 0
        clear(block, 0)
        return block

    cdef void _free_spares(self) noexcept nogil:
        cdef Py_ssize_t kept = max(SPARES, self._count // 16)
        while self._spare_count > kept:
            free(self._taken())

    cdef Py_ssize_t _widen(self, Py_ssize_t number, int at) noexcept nogil:
        """Make room in a full block into which a level has to go; the block that it goes to.

        A neighbour takes some levels as long as it has room: so blocks stay nearly full whatever order levels come in.
        """
        cdef int moved
        if number + 1 < self._count and self._blocks[number + 1].count < FILLED:
            self._give(number, (BLOCK - self._blocks[number + 1].count) // 2)
        elif number > 0 and self._blocks[number - 1].count < FILLED:
            moved = (BLOCK - self._blocks[number - 1].count) // 2
            self._give_back(number, moved)
            return number if at > moved else number - 1
        else:
            self._split(number)
        return number if at <= self._blocks[number].count else number + 1

    cdef void _thin(self, Py_ssize_t number) noexcept nogil:
        """A block has few levels now: no block is empty but an only one, and few are nearly so."""
        cdef Block* block = self._blocks[number]
        if block.count == 0:
            if self._count > 1:
                self._drop(number)
        elif number > 0 and self._blocks[number - 1].count + block.count <= ROOM:
            self._merge(number - 1)
        elif number + 1 < self._count and block.count + self._blocks[number + 1].count <= ROOM:
            self._merge(number)

    @final
    cdef void _drop(self, Py_ssize_t number) noexcept nogil:
        """Give an empty block back."""
        cdef Block* block = self._blocks[number]
        cdef Py_ssize_t behind = self._count - number - 1
        memmove(&self._blocks[number], &self._blocks[number + 1], behind * sizeof(Block*))
        memmove(&self._firsts[number], &self._firsts[number + 1], behind * sizeof(int64_t))
        self._count -= 1
        self._firsts[self._count] = NONE
        if self._spare_count >= max(SPARES, self._count // 16):
            free(block)
        else:
            block.sizes[0] = <int64_t> self._spare
            self._spare = block
            self._spare_count += 1

    @final
    cdef void _give(self, Py_ssize_t number, int count) noexcept nogil:
        """Move the last levels of a block to the next one."""
        cdef Block* block = self._blocks[number]
        cdef Block* other = self._blocks[number + 1]
        memmove(&other.keys[count], other.keys, other.count * sizeof(int64_t))
        memmove(&other.sizes[count], other.sizes, other.count * sizeof(int64_t))
        other.count += count
        block.count -= count
        memcpy(other.keys, &block.keys[block.count], count * sizeof(int64_t))
        memcpy(other.sizes, &block.sizes[block.count], count * sizeof(int64_t))
        clear(block, block.count)
        self._firsts[number + 1] = other.keys[0]

    @final
    cdef void _give_back(self, Py_ssize_t number, int count) noexcept nogil:
        """Move the first levels of a block to the one before it."""
        cdef Block* block = self._blocks[number]
        cdef Block* other = self._blocks[number - 1]
        memcpy(&other.keys[other.count], block.keys, count * sizeof(int64_t))
        memcpy(&other.sizes[other.count], block.sizes, count * sizeof(int64_t))
        other.count += count
        block.count -= count
        memmove(block.keys, &block.keys[count], block.count * sizeof(int64_t))
        memmove(block.sizes, &block.sizes[count], block.count * sizeof(int64_t))
        clear(block, block.count)
        self._firsts[number] = block.keys[0]

    @final
    cdef void _split(self, Py_ssize_t number) noexcept nogil:
        """Make two of a full block: in the middle, but for the last one, which most changes go to."""
        cdef Block* block = self._blocks[number]
        cdef Block* other = self._taken()
        cdef int kept = FILLED if number == self._count - 1 else BLOCK // 2
        cdef Py_ssize_t behind = self._count - number - 1
        other.count = block.count - kept
        memcpy(other.keys, &block.keys[kept], other.count * sizeof(int64_t))
        memcpy(other.sizes, &block.sizes[kept], other.count * sizeof(int64_t))
        block.count = kept
        clear(block, kept)
        memmove(&self._blocks[number + 2], &self._blocks[number + 1], behind * sizeof(Block*))
        memmove(&self._firsts[number + 2], &self._firsts[number + 1], behind * sizeof(int64_t))
        self._blocks[number + 1] = other
        self._firsts[number + 1] = other.keys[0]
        self._count += 1

    @final
    cdef void _merge(self, Py_ssize_t number) noexcept nogil:
        """Take the levels of the next block into this one."""
        cdef Block* block = self._blocks[number]
        cdef Block* other = self._blocks[number + 1]
        memcpy(&block.keys[block.count], other.keys, other.count * sizeof(int64_t))
        memcpy(&block.sizes[block.count], other.sizes, other.count * sizeof(int64_t))
        block.count += other.count
        self._drop(number + 1)

    cdef void _empty(self) noexcept nogil:
        while self._count > 1:
            self._drop(self._count - 1)
        self._blocks[0].count = 0
        clear(self._blocks[0], 0)
        self._firsts[0] = 0
        self._length = 0
        self._changes += 1
