# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Sums, copies and walks over the levels of a ladder: what ``queries`` and ``horizon.top`` do, in machine integers.

Only for complete sides, and only where nothing overflows: what is too large is said to be, and never wraps around.
Nothing here touches a Python object, so whoever owns a ladder may ask without the GIL.
"""

from libc.stdint cimport int64_t, uint64_t

from orderbook.compiled.ladder cimport Block, Ladder

EXACT = 9_007_199_254_740_992

cdef int _power
POWERS[0] = 1.0
for _power in range(1, POWERS_MAX + 1):
    POWERS[_power] = POWERS[_power - 1] * 10.0

# So that the sum of a whole block fits in 64 bits whatever else is in it, and two of the largest sums as well.
cdef uint64_t SIZE_MAX = 1 << 55
cdef int64_t SUM_MAX = 1 << 62
PRODUCT_MAX = 4e18


cdef int64_t size_of_best(Ladder ladder, Py_ssize_t n) noexcept nogil:
    """Total size of the best ``n`` levels, in raw units, or ``TOO_LARGE``. O(n)."""
    cdef Py_ssize_t number = ladder._count
    cdef Block* block
    cdef int64_t total = 0
    cdef uint64_t part
    cdef uint64_t bits
    cdef int at
    cdef int first
    while n > 0 and number > 0:
        number -= 1
        block = ladder._blocks[number]
        first = <int> (block.count - n) if block.count > n else 0
        n -= block.count - first
        part = bits = 0
        # Without a branch, so that compilers take several levels at a time.
        for at in range(first, block.count):
            part += <uint64_t> block.sizes[at]
            bits |= <uint64_t> block.sizes[at]
        if bits >= SIZE_MAX:
            return TOO_LARGE
        total += <int64_t> part
        if total >= SUM_MAX:
            return TOO_LARGE
    return total


cdef int64_t size_to(Ladder ladder, int64_t price) noexcept nogil:
    """Total size from the best level to a raw price inclusive, or ``TOO_LARGE``. O(log of all levels + visited)."""
    return size_of_best(ladder, ladder.better(price))


cdef Py_ssize_t best_levels(Ladder ladder, Py_ssize_t n, int64_t* prices, int64_t* sizes) noexcept nogil:
    """Copy at most ``n`` levels, best first; returns how many. O(n)."""
    cdef Py_ssize_t number = ladder._count
    cdef Py_ssize_t found = 0
    cdef Block* block
    cdef int at
    while found < n and number > 0:
        number -= 1
        block = ladder._blocks[number]
        at = block.count
        while found < n and at > 0:
            at -= 1
            prices[found] = ladder._sign * block.keys[at]
            sizes[found] = block.sizes[at]
            found += 1
    return found


cdef Py_ssize_t best_rows(
    Ladder ladder, Py_ssize_t n, double price_unit, double size_unit, double* rows
) noexcept nogil:
    """Write at most ``n`` rows of price and size, best first, each number correctly rounded. O(n).

    Args:
        price_unit: A power of ten from ``POWERS``; so is ``size_unit``.
        rows: Room for ``2 * n`` numbers.

    Returns:
        How many rows; ``TOO_LARGE`` if a number of them is not exact as a double, and the rows are of no use.
    """
    cdef Py_ssize_t number = ladder._count
    cdef Py_ssize_t found = 0
    cdef Block* block
    cdef int64_t sign = ladder._sign
    cdef int64_t bits = 0
    cdef int at
    cdef int first
    while found < n and number > 0:
        number -= 1
        block = ladder._blocks[number]
        first = <int> (block.count - (n - found)) if block.count > n - found else 0
        for at in range(block.count - 1, first - 1, -1):
            bits |= (sign * block.keys[at]) | block.sizes[at]
            rows[2 * found] = <double> (sign * block.keys[at]) / price_unit
            rows[2 * found + 1] = <double> block.sizes[at] / size_unit
            found += 1
    return found if bits < EXACT else TOO_LARGE


cdef bint walk_size(Ladder ladder, int64_t wanted, Walk* walk) noexcept nogil:
    """Walk levels, best first, until ``wanted`` (raw size units) is filled; see ``queries.fill_size``.

    Returns:
        Whether every amount surely fits; if not, the walk is of no use.

    Complexity: O(k), k = levels touched.
    """
    cdef Py_ssize_t number = ladder._count
    cdef Block* block
    cdef int64_t left = wanted
    cdef int64_t quote = 0
    cdef int64_t part
    cdef double highest
    cdef int64_t sign = ladder._sign
    cdef int at
    walk.worst = walk.level_count = 0
    while left > 0 and number > 0:
        number -= 1
        block = ladder._blocks[number]
        at = block.count
        if at == 0:
            break
        # Judged for a block at once: what is left, and all of it at its highest price.
        highest = <double> (block.keys[at - 1] if sign > 0 else -block.keys[0])
        if <double> quote + highest * <double> left > PRODUCT_MAX:
            return False
        part = 0
        # What is left decides nothing but where it ends, so that levels need not wait for each other.
        while at > 0 and block.sizes[at - 1] < left:
            at -= 1
            left -= block.sizes[at]
            part += block.keys[at] * block.sizes[at]
        if at > 0:
            at -= 1
            part += block.keys[at] * left
            left = 0
        quote += sign * part
        walk.worst = sign * block.keys[at]
        walk.level_count += block.count - at
    walk.quote = quote
    walk.filled = wanted - left
    return True
