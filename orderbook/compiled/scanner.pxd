# Frames and REST bodies to numbers, without Python objects. What is not plain is refused, never guessed.

from cython cimport final
from libc.stdint cimport int64_t, uint64_t

ctypedef struct Row:
    int64_t price      # digits without their point
    int64_t size
    int64_t sequence   # -1: none of its own
    int price_decimals
    int size_decimals

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

ctypedef struct Lead:      # the first eight digits of a number, as text and what they are worth
    uint64_t text
    uint64_t value

ctypedef struct Scan:
    Lead leads[2]          # of sequences, of times
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

ctypedef struct Key:
    const char* name
    Py_ssize_t length
    Kind kind
    int target         # of an object its node, of a number its slot, of rows their side
    const char* text
    Py_ssize_t text_length

ctypedef struct Node:
    int first          # of its keys
    int count
    unsigned int needed

cdef enum:
    START = 1
    END = 2
    TIME = 4


@final
cdef class Plan:
    cdef list _kept
    cdef Key* keys
    cdef Node* nodes
    cdef int node_count
    cdef int64_t time_units
    cdef int row_length
    cdef Kind row[COLUMNS]
    cdef bint is_usual         # price and size first, and nothing else but a sequence behind them
    cdef bint is_counted       # which is there
    cdef int change_price
    cdef int change_side
    cdef int change_size
    cdef const char* names[2]         # of the sides, in a change
    cdef Py_ssize_t name_lengths[2]

    # The last message that was read in full, as a guess at how the next one looks.
    cdef char* last
    cdef Py_ssize_t last_length       # 0: there is none
    cdef Py_ssize_t last_capacity
    cdef Value values[VALUES]
    cdef int value_count

    cdef bint scan(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef bint _scan_alike(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef bint _scan_any(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef void _learn(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef const char* _value(self, const char* at, Kind kind, int target, Scan* found) noexcept nogil
    cdef const char* _object(self, const char* at, int node, int depth, Scan* found) noexcept nogil
    cdef const char* _rows(self, const char* at, int side, Scan* found) noexcept nogil
    cdef const char* _row(self, const char* at, Row* row, Scan* found) noexcept nogil
    cdef const char* _change(self, const char* at, Scan* found) noexcept nogil

cdef void begin(Scan* scan) noexcept nogil
cdef void finish(Scan* scan) noexcept nogil
cdef void relax(Scan* scan) noexcept nogil
cdef bint scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil
cdef const char* decimal(const char* at, const char* end, int64_t* digits, int* decimals) noexcept nogil
cdef Row* room(Rows* rows, Scan* found) noexcept nogil
