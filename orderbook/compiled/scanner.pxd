# Frames and REST bodies to numbers, without Python objects. What is not plain is refused, never guessed.

from libc.stdint cimport int64_t

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

ctypedef struct Scan:
    Rows sides[2]      # bids, asks
    bint seen[2]
    int64_t start
    int64_t end
    int64_t time       # -1: none
    bint no_memory

cdef enum Kind:
    OBJECT, TEXT, NUMBER, ROWS, CHANGE

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


cdef class Plan:
    cdef list _kept
    cdef Key* keys
    cdef Node* nodes
    cdef int node_count
    cdef int row_length
    cdef int price_at
    cdef int size_at
    cdef int sequence_at
    cdef int change_price
    cdef int change_side
    cdef int change_size
    cdef const char* names[2]         # of the sides, in a change
    cdef Py_ssize_t name_lengths[2]

    cdef bint scan(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil
    cdef const char* _object(self, const char* at, int node, int depth, Scan* found) noexcept nogil
    cdef const char* _rows(self, const char* at, int side, Scan* found) noexcept nogil
    cdef const char* _change(self, const char* at, Scan* found) noexcept nogil

cdef void begin(Scan* scan) noexcept nogil
cdef void finish(Scan* scan) noexcept nogil
cdef bint scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil
cdef const char* decimal(const char* at, int64_t* digits, int* decimals) noexcept nogil
cdef Row* room(Rows* rows, Scan* found) noexcept nogil
