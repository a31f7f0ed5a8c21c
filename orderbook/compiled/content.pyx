# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What a book holds, in native memory, and how a frame that was scanned changes it. Twin of ``pure.ContentState``."""

from libc.stdint cimport int64_t

from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.scanner cimport Row, Rows, Scan, scaled

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
        self.prices[side is ASK] = 0 if price is None else price

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


cdef class ContentState:
    """Both ladders of one symbol at ``sequence``; see ``content.BookContent``."""

    def __init__(self):
        self.bids = Ladder(BID)
        self.asks = Ladder(ASK)
        self.price_decimals = 0
        self.size_decimals = 0
        self.sequence = 0
        self.horizon = Horizons()
        self.seeded = {BID: 0, ASK: 0}
        self._venue_ms = -1
        self.touch_count = 0
        self.price_zero_count = 0
        self.remove_absent_count = 0

    @property
    def venue_ms(self):
        return None if self._venue_ms < 0 else self._venue_ms

    @venue_ms.setter
    def venue_ms(self, value):
        self._venue_ms = -1 if value is None else value

    cdef bint take(self, Scan* scan) except -1:
        """Apply a frame as a whole, as ``BookContent.apply``; whether it could be held at the present scales.

        If not, nothing has changed. Raises ``MemoryError``, and then nothing has changed either.
        """
        cdef int side
        cdef Py_ssize_t number
        cdef Py_ssize_t other
        cdef Py_ssize_t kept
        cdef Row* row
        cdef Row moved
        cdef Row* rows
        cdef Ladder ladder
        cdef int64_t zeros = 0
        cdef Py_ssize_t moves = 0
        cdef int64_t[4] before
        cdef int64_t[4] after
        # First everything that may fail: scale what is new, in place, in order of sequence.
        for side in range(2):
            rows = scan.sides[side].first
            kept = 0
            moves = 0
            for number in range(scan.sides[side].count):
                row = &rows[number]
                if row.sequence >= 0 and row.sequence <= self.sequence:
                    continue
                if row.price == 0:
                    zeros += 1
                    continue
                if not scaled(row.price, row.price_decimals, self.price_decimals, &row.price):
                    return False
                if not scaled(row.size, row.size_decimals, self.size_decimals, &row.size):
                    return False
                moved = row[0]
                other = kept
                while other > 0 and rows[other - 1].sequence > moved.sequence:
                    rows[other] = rows[other - 1]
                    other -= 1
                    moves += 1
                # Rows out of order are rare; many of them would take the square of their number.
                if moves > 8 * (number + 8):
                    return False
                rows[other] = moved
                kept += 1
            scan.sides[side].count = kept
            ladder = self.bids if side == 0 else self.asks
            ladder.reserve(kept)
        self._look(before)
        for side in range(2):
            ladder = self.bids if side == 0 else self.asks
            rows = scan.sides[side].first
            for number in range(scan.sides[side].count):
                if ladder.put(rows[number].price, rows[number].size) == 0 and rows[number].size == 0:
                    self.remove_absent_count += 1
        self.bids.relax()
        self.asks.relax()
        self._look(after)
        if before[0] != after[0] or before[1] != after[1] or before[2] != after[2] or before[3] != after[3]:
            self.touch_count += 1
        self.price_zero_count += zeros
        self.sequence = scan.end
        if scan.time >= 0:
            self._venue_ms = scan.time
        return True

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
        ladder.relax()
        return True

    cdef void _look(self, int64_t* touch) noexcept nogil:
        """The best levels, zeros where there is none."""
        touch[0] = touch[1] = touch[2] = touch[3] = 0
        self.bids.touch(&touch[0], &touch[1])
        self.asks.touch(&touch[2], &touch[3])
