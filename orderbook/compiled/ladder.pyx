# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled ladder: the twin of ``reference.Ladder``, with the same questions and answers.

A side is kept as sorted blocks of keys and sizes, see ``blocks.pyx``.
"""

from cython cimport final
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from orderbook.compiled.blocks cimport BEHIND, NONE, Block, Blocks, Place, best_of, find, put, relax, reserve

from orderbook.fixedpoint import RAW_MAX
from orderbook.types import Side


@final
cdef class Ladder(Blocks):
    """The levels of one side, best first; see ``reference.Ladder``, which is the documentation of both."""

    def __cinit__(self, side):
        self.side = side
        self._sign = -side.value

    def set(self, int64_t price, int64_t size):
        """Put ``size`` at ``price``, 0 removes; returns the size that was there."""
        cdef Place place
        reserve(self, 1)
        find(self, price, &place)
        return put(self, price, size, &place)

    def load(self, levels):
        """Take these (price, size), in any order, in the place of all; a later size of a price wins, 0 is no level."""
        cdef int64_t price, size
        cdef list rows = sorted(dict(levels).items(), reverse=self._sign < 0)
        self.stock_levels(len(rows))
        self._empty()
        for price, size in rows:
            if size:
                self.push(price, size)
        relax(self)

    def get(self, int64_t price):
        """Size at ``price``, 0 if there is no level."""
        return self.size_at(price)

    def best(self):
        """Best (price, size), ``None`` if empty."""
        cdef int64_t price, size
        return (price, size) if best_of(self, &price, &size) else None

    def worst(self):
        """Worst (price, size), ``None`` if empty."""
        cdef Block* block = self._blocks[0]
        return (self._sign * block.keys[0], block.sizes[0]) if block.count else None

    def __len__(self):
        return self._length

    def __iter__(self):
        return _Levels(self, self._sign * (0 if self._sign > 0 else RAW_MAX))

    def top(self, Py_ssize_t n):
        """The best ``n`` (price, size), best first."""
        cdef list found = []
        cdef Py_ssize_t number = self._count
        cdef Block* block
        cdef int at
        while n > 0 and number > 0:
            number -= 1
            block = self._blocks[number]
            at = block.count
            while n > 0 and at > 0:
                at -= 1
                n -= 1
                found.append((self._sign * block.keys[at], block.sizes[at]))
        return found

    def at(self, Py_ssize_t index):
        """The (price, size) at a position from the best. Raises ``IndexError``."""
        cdef int64_t price, size
        if not self.level(index + self._length if index < 0 else index, &price, &size):
            raise IndexError("no level stands there")
        return price, size

    def to(self, int64_t price):
        """From the best to ``price`` inclusive, best first."""
        return _Levels(self, self._sign * price)

    def count_to(self, int64_t price):
        """How many levels are at ``price`` or better."""
        return self.better(price)

    def rescale(self, price_factor, size_factor):
        """Multiply every price and size; whoever calls sees to it that they fit."""
        if self._length:
            self._rescale(price_factor, size_factor)

    cdef void _rescale(self, int64_t price_factor, int64_t size_factor) noexcept:
        cdef Py_ssize_t number
        cdef Block* block
        cdef int at
        for number in range(self._count):
            block = self._blocks[number]
            for at in range(block.count):
                block.keys[at] *= price_factor
                block.sizes[at] *= size_factor
            self._firsts[number] *= price_factor
        self._changes += 1

    def copy(self):
        """An independent copy."""
        cdef Ladder twin = Ladder(self.side)
        cdef Py_ssize_t number
        twin._stock(self._count)
        for number in range(self._count):
            if number:
                twin._blocks[number] = twin._taken()
            memcpy(twin._blocks[number], self._blocks[number], sizeof(Block))
            twin._firsts[number] = self._firsts[number]
        twin._count = self._count
        twin._length = self._length
        return twin

    def clear(self):
        """Remove every level."""
        self._empty()

    def __sizeof__(self):
        """Bytes of memory: of the object, its levels, and the room for more."""
        cdef Py_ssize_t blocks = (self._count + self._spare_count) * sizeof(Block)
        return object.__sizeof__(self) + blocks + self._capacity * sizeof(Block*) + (self._capacity + BEHIND) * sizeof(int64_t)

    def verify(self):
        """Raise ``AssertionError`` if an invariant is broken."""
        cdef Py_ssize_t number
        cdef Py_ssize_t length = 0
        cdef int64_t before = 0
        cdef Block* block
        cdef int at
        assert 1 <= self._count <= self._capacity, "no block"
        for number in range(self._count):
            block = self._blocks[number]
            assert 0 < block.count <= BLOCK or self._count == 1, f"block {number} has {block.count} levels"
            assert block.count == 0 or number == 0 or self._firsts[number] == block.keys[0], "a wrong first key"
            for at in range(block.count):
                assert length == 0 or before < block.keys[at], "not best first"
                assert self._sign * block.keys[at] > 0, "a price is out of range"
                assert block.sizes[at] > 0, "a size is out of range"
                before = block.keys[at]
                length += 1
            for at in range(block.count, BLOCK):
                assert block.keys[at] == NONE, "something stands behind the last level of a block"
        for number in range(self._count, self._capacity + BEHIND):
            assert self._firsts[number] == NONE, "something stands behind the last block"
        assert length == self._length, "length differs from the levels"
        length = 0
        block = self._spare
        while block != NULL:
            block = <Block*> block.sizes[0]
            length += 1
        assert length == self._spare_count, "spare blocks are lost"
        assert self._count + length <= self._capacity, "no room for the spare blocks"

    def __repr__(self):
        return f"<Ladder {self.side.name} of {self._length} levels>"


cdef class _Levels:
    """Levels from the best to a key. A ladder that changed meanwhile ends it with an error, never with a wild read."""

    cdef Ladder _ladder
    cdef int64_t _until
    cdef Py_ssize_t _number
    cdef int _at
    cdef Py_ssize_t _changes

    def __cinit__(self, Ladder ladder not None, int64_t until):
        self._ladder = ladder
        self._until = until
        self._number = ladder._count - 1
        self._at = ladder._blocks[self._number].count
        self._changes = ladder._changes

    def __iter__(self):
        return self

    def __next__(self):
        cdef Ladder ladder = self._ladder
        cdef Block* block
        if self._changes != ladder._changes:
            raise RuntimeError("the ladder changed while its levels were iterated")
        block = ladder._blocks[self._number]
        if self._at == 0:
            if self._number == 0:
                raise StopIteration
            self._number -= 1
            block = ladder._blocks[self._number]
            self._at = block.count
        self._at -= 1
        if block.keys[self._at] < self._until:
            self._at += 1
            raise StopIteration
        return ladder._sign * block.keys[self._at], block.sizes[self._at]
