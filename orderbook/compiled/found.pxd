# What is found in a message: its rows, its sequences and its time, and where they stand.

from libc.stdint cimport int64_t

from orderbook.compiled.blocks cimport Place
from orderbook.compiled.numbers cimport Lead

ctypedef struct Row:
    int64_t price      # digits without their point
    int64_t size
    int64_t sequence   # -1: none of its own
    int price_decimals
    int size_decimals
    Place place        # of the price among the levels, once it was looked for

ctypedef struct Rows:
    Row* first
    Py_ssize_t count
    Py_ssize_t capacity

cdef enum Kind:
    OBJECT, TEXT, NUMBER, ROWS, CHANGE, OTHER, PRICE, SIZE, SEQUENCE

ctypedef struct Value:     # that may differ from one message of a shape to the next
    Py_ssize_t first       # where it begins and ends
    Py_ssize_t end
    Kind kind
    int target             # of a number its slot, of rows their side, of what is of no interest its depth

cdef enum:
    VALUES = 24
    COLUMNS = 8
    ROWS_KEPT = 4_096   # a side, that are worth keeping memory for

ctypedef struct Scan:
    Lead leads[2]          # of sequences, of times
    Py_ssize_t price_length    # of the longest one
    const char* text
    const char* stop
    Value values[VALUES]
    int value_count        # more than ``VALUES``: not all of them stand above
    Rows sides[2]      # bids, asks
    bint seen[2]
    int64_t start
    int64_t end
    int64_t time       # -1: none
    bint no_memory


cdef void begin(Scan* scan) noexcept nogil
cdef void finish(Scan* scan) noexcept nogil
cdef bint grow(Rows* rows) noexcept nogil


cdef inline void forget(Scan* scan) noexcept nogil:
    """Make it ready for the next message."""
    scan.sides[0].count = scan.sides[1].count = 0
    scan.seen[0] = scan.seen[1] = False
    scan.time = -1
    scan.value_count = 0


cdef inline void relax(Scan* scan) noexcept nogil:
    """Give back the memory of a message with very many rows; who scans many such messages has the time to ask anew."""
    if scan.sides[0].capacity > ROWS_KEPT or scan.sides[1].capacity > ROWS_KEPT:
        finish(scan)
        begin(scan)


cdef inline Row* room(Rows* rows, Scan* found) noexcept nogil:
    """Where the next row goes; NULL where there is no memory."""
    if rows.count == rows.capacity and not grow(rows):
        found.no_memory = True
        return NULL
    return &rows.first[rows.count]


cdef inline void note(Scan* found, const char* first, const char* end, Kind kind, int target) noexcept nogil:
    """Take note of where a value stands."""
    cdef Value* value
    if found.value_count < VALUES:
        value = &found.values[found.value_count]
        value.first = first - found.text
        value.end = end - found.text
        value.kind = kind
        value.target = target
    found.value_count += 1
