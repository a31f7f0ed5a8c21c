# A layout, made ready for reading by it.

from libc.stdint cimport int64_t

from orderbook.compiled.found cimport Kind

cdef enum:
    COLUMNS = 8

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
