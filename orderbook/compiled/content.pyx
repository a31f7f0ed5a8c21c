# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What a book holds, in native memory, and how a frame that was scanned changes it. Twin of ``pure.ContentState``."""

from cython cimport final
from libc.stdint cimport int64_t

from orderbook.compiled.blocks cimport Block, find, is_right, put, relax, reserve
from orderbook.compiled.found cimport Row, Rows, Scan
from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.numbers cimport scaled

from orderbook.fixedpoint import RAW_MAX
from orderbook.types import Side

cdef object BID = Side.BID
cdef object ASK = Side.ASK


cdef class Horizons:
    """Per side, the raw price up to and including which a ladder is complete; ``None``: all of it is."""

    def __init__(self, others=None):
        for side in (BID, ASK):
            self[side] = None if others is None else others[side]

    def __getitem__(self, side):
        return self.prices[side is ASK] or None

    def __setitem__(self, side, price):
        if price is not None and not 0 < price <= RAW_MAX:
            raise AssertionError(f"horizon {price} of {side.name} is no price")
        self.prices[side is ASK] = 0 if price is None else price

    def __eq__(self, other):
        return other == {BID: self[BID], ASK: self[ASK]}

    def keys(self):
        """As those of a dictionary."""
        return BID, ASK

    def values(self):
        """As those of a dictionary."""
        return self[BID], self[ASK]

    def __repr__(self):
        return f"Horizons({{{BID!r}: {self[BID]}, {ASK!r}: {self[ASK]}}})"


cdef void _decimals(const Rows* rows, int* most) noexcept nogil:
    """Grow the decimals of prices and of sizes to what these rows need, trailing zeros not counted."""
    cdef Py_ssize_t number
    cdef const Row* row
    for number in range(rows.count):
        row = &rows.first[number]
        if row.price:
            most[0] = _needed(row.price, row.price_decimals, most[0])
            most[1] = _needed(row.size, row.size_decimals, most[1])


cdef inline int _needed(int64_t digits, int decimals, int most) noexcept nogil:
    """The greater one of ``most`` and the decimals of a number."""
    while decimals > most:
        if digits % 10:
            return decimals
        digits //= 10
        decimals -= 1
    return most


cdef Py_ssize_t sorted_in(Row* rows, Py_ssize_t count, Row* row) noexcept nogil:
    """Put a row where its sequence belongs among those before it; how many of them had to move."""
    cdef Row moved = row[0]
    cdef Py_ssize_t at = count
    while at > 0 and rows[at - 1].sequence > moved.sequence:
        rows[at] = rows[at - 1]
        at -= 1
    rows[at] = moved
    return count - at


cdef inline void look(Ladder ladder, int64_t* touch) noexcept nogil:
    """The best level, as key and size; zeros where there is none."""
    cdef Block* block = ladder._blocks[ladder._count - 1]
    if block.count:
        touch[0] = block.keys[block.count - 1]
        touch[1] = block.sizes[block.count - 1]
    else:
        touch[0] = touch[1] = 0


cdef class ContentState:
    """Both ladders of one symbol at ``sequence``; see ``content.BookContent``."""

    def __cinit__(self):
        self.bids = Ladder(BID)
        self.asks = Ladder(ASK)
        self.horizon = Horizons()
        self.seeded = {BID: 0, ASK: 0}
        self._venue_ms = -1

    def _copy_sides(self, ContentState other not None):
        """See the pure twin."""
        self.bids = other.bids.copy()
        self.asks = other.asks.copy()
        self.horizon = Horizons(other.horizon)
        self.seeded = dict(other.seeded)

    @property
    def venue_ms(self):
        return None if self._venue_ms < 0 else self._venue_ms

    @venue_ms.setter
    def venue_ms(self, value):
        self._venue_ms = -1 if value is None else value

    cdef bint take(self, Ladder bids, Ladder asks, Scan* scan) except -1 nogil:
        """Apply a frame as a whole, as ``BookContent.apply``; whether it could be held at the present scales.

        The ladders are those of this content; they are named so that nobody has to hold the GIL.

        If not, nothing has changed. Raises ``MemoryError``, and then nothing has changed either.
        """
        cdef int64_t zeros = 0
        cdef int64_t[4] before
        cdef int64_t[4] after
        # First everything that may fail.
        if not self._prepare(bids, scan, 0, &zeros) or not self._prepare(asks, scan, 1, &zeros):
            return False
        if scan.sides[0].count:
            reserve(bids, scan.sides[0].count)
        if scan.sides[1].count:
            reserve(asks, scan.sides[1].count)
        look(bids, before)
        look(asks, before + 2)
        self._put(bids, &scan.sides[0])
        self._put(asks, &scan.sides[1])
        look(bids, after)
        look(asks, after + 2)
        if before[0] != after[0] or before[1] != after[1] or before[2] != after[2] or before[3] != after[3]:
            self.touch_count += 1
        # Keys of asks are negative prices.
        self.crossed = after[1] != 0 and after[3] != 0 and after[0] > -after[2]
        self.price_zero_count += zeros
        self.sequence = scan.end
        if scan.time >= 0:
            self._venue_ms = scan.time
        return True

    @final
    cdef bint _prepare(self, Ladder ladder, Scan* scan, int side, int64_t* zeros) noexcept nogil:
        """Scale, in place, the rows that change something, in order of sequence; whether all of them can be held.

        Sequences have to be among those of the message.

        They are looked for here, all of them: later each would wait for what is decided about the one before it.
        """
        cdef Row* row
        cdef Py_ssize_t number
        cdef Py_ssize_t kept = 0
        cdef Py_ssize_t moves = 0
        cdef int64_t newest = -1
        cdef Rows* rows = &scan.sides[side]
        for number in range(rows.count):
            row = &rows.first[number]
            if row.sequence >= 0:
                if not scan.start <= row.sequence <= scan.end:
                    return False
                if row.sequence <= self.sequence:
                    continue
            if row.price == 0:
                zeros[0] += 1
                continue
            if not scaled(row.price, row.price_decimals, self.price_decimals, &row.price):
                return False
            if not scaled(row.size, row.size_decimals, self.size_decimals, &row.size):
                return False
            find(ladder, row.price, &row.place)
            if row.sequence < newest:
                # Rows out of order are rare; many of them would take the square of their number.
                moves += sorted_in(rows.first, kept, row)
                if moves > 8 * (number + 8):
                    return False
            else:
                newest = row.sequence
                if kept < number:
                    rows.first[kept] = row[0]
            kept += 1
        rows.count = kept
        return True

    @final
    cdef void _put(self, Ladder ladder, Rows* rows) noexcept nogil:
        cdef Row* row
        cdef Py_ssize_t number
        for number in range(rows.count):
            row = &rows.first[number]
            # Before the first one nothing has changed since it was looked for.
            if number and not is_right(ladder, row.price, &row.place):
                find(ladder, row.price, &row.place)
            if put(ladder, row.price, row.size, &row.place) == 0 and row.size == 0:
                self.remove_absent_count += 1
        if rows.count:
            relax(ladder)

    cdef bint fill(self, Scan* scan) except -1:
        """Take the rows of a snapshot into empty ladders, as ``BookContent.from_snapshot``; whether it could be done.

        If not (a side is not best first, a price stands twice, a value is too long), the content is of no use any more.
        Raises ``MemoryError``, and then it is neither.
        """
        cdef int side
        cdef int[2] decimals
        decimals[0] = decimals[1] = 0
        for side in range(2):
            _decimals(&scan.sides[side], decimals)
        self.price_decimals, self.size_decimals = decimals[0], decimals[1]
        for side in range(2):
            if not self._fill_side(self.bids if side == 0 else self.asks, &scan.sides[side]):
                return False
        self.sequence = scan.end
        self._venue_ms = scan.time
        return True

    @final
    cdef bint _fill_side(self, Ladder ladder, Rows* rows) except -1:
        """From the worst row to the best, so that each level goes to the end of the ladder."""
        cdef Py_ssize_t number
        cdef Row* row
        cdef int64_t price, size
        cdef int64_t before = 0
        cdef bint is_zero_seen = False
        ladder.stock_levels(rows.count)
        for number in range(rows.count - 1, -1, -1):
            row = &rows.first[number]
            if row.price == 0:
                if is_zero_seen:
                    return False
                is_zero_seen = True
                continue
            if not scaled(row.price, row.price_decimals, self.price_decimals, &price):
                return False
            if not scaled(row.size, row.size_decimals, self.size_decimals, &size):
                return False
            # Rows of size 0 are no levels, but stand in the order of all.
            if before and ladder._sign * price <= ladder._sign * before:
                return False
            before = price
            if size:
                ladder.push(price, size)
        relax(ladder)
        return True
