# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best levels of one side of a LIVE book, as floats, in one native call; else the view itself is asked.

The levels handed out last are kept here, each with the price and the size it was made of. A level is made anew only when
it changed; the lists are always new. Ladders know nothing of this: they hold no Python object.
"""

from functools import update_wrapper

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.slice cimport PySlice_Check
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from orderbook.compiled.answers cimport new_pair, rounded
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Block, Ladder
from orderbook.compiled.measures cimport POWERS_MAX, best_levels
from orderbook.compiled.touch cimport GuardState

from orderbook.types import Level, Side

cdef extern from "Python.h":
    ctypedef struct SliceObject "PySliceObject":
        PyObject* start
        PyObject* stop
        PyObject* step
    list PyList_New(Py_ssize_t size)

cdef extern from *:
    """
    static CYTHON_INLINE void set_new(PyObject *list, Py_ssize_t at, PyObject *item) {
        Py_INCREF(item);
        PyList_SET_ITEM(list, at, item);
    }
    """
    void set_new(list found, Py_ssize_t at, PyObject* item) noexcept

cdef enum:
    KEPT_MAX = 256  # levels; who asks for more of them has the time to make them

cdef object LEVEL = Level
cdef object BID = Side.BID
cdef dict PURE = {}     # the methods that are asked where the answer is not plain


cdef int scale_of(int price_decimals, int size_decimals) noexcept:
    """Both scales in one number."""
    return (POWERS_MAX + 1) * price_decimals + size_decimals


cdef Kept* new_kept(Py_ssize_t capacity, int scale) except NULL:
    """Room for so many levels, and none in it yet."""
    cdef Kept* kept = <Kept*> malloc(sizeof(Kept) + capacity * (2 * sizeof(int64_t) + sizeof(PyObject*)))
    if kept == NULL:
        raise MemoryError("no memory for more levels")
    kept.count = 0
    kept.scale = scale
    kept.prices = <int64_t*> (kept + 1)
    kept.sizes = kept.prices + capacity
    kept.levels = <PyObject**> (kept.sizes + capacity)
    memset(kept.levels, 0, capacity * sizeof(PyObject*))
    return kept


cdef void drop(Kept* kept) noexcept:
    cdef Py_ssize_t at
    if kept != NULL:
        for at in range(kept.count):
            Py_XDECREF(kept.levels[at])
        free(kept)


cdef bint is_same(Kept* one, Py_ssize_t at, Kept* other, Py_ssize_t place) noexcept:
    return one.prices[at] == other.prices[place] and one.sizes[at] == other.sizes[place]


cdef bint is_shown(Kept* kept, Ladder ladder, Py_ssize_t count) noexcept nogil:
    """Whether the first ``count`` levels kept are the best ones of a ladder that has so many."""
    cdef Py_ssize_t number = ladder._count
    cdef Py_ssize_t found = 0
    cdef int64_t sign = ladder._sign
    cdef int64_t differences = 0
    cdef Block* block
    cdef int64_t* keys
    cdef int64_t* sizes
    cdef int at, many
    while found < count:
        number -= 1
        block = ladder._blocks[number]
        many = <int> min(count - found, block.count)
        keys = &block.keys[block.count - 1]
        sizes = &block.sizes[block.count - 1]
        # Without a branch, so that compilers take several levels at a time.
        for at in range(many):
            differences |= (sign * keys[-at]) ^ kept.prices[found + at]
            differences |= sizes[-at] ^ kept.sizes[found + at]
        found += many
    return differences == 0


cdef class SideState:
    """What a ``side.SideView`` keeps."""

    @classmethod
    def __class_getitem__(cls, kinds):
        return cls

    def __cinit__(self, *args, **options):
        self._kept = NULL

    def __init__(self, GuardState guard not None, form, side, *, bint guarded, bint is_float):
        self.side = side
        self._number = side is not BID
        self._guard = guard
        self._form = form
        self._guarded = guarded
        self._is_float = is_float

    def __dealloc__(self):
        drop(self._kept)

    cdef ContentState _plain(self):
        """The content, if it may be read and all of it can be told here; else ``None``."""
        cdef ContentState content = self._guard.content
        if not self._is_float or (self._guarded and not self._guard.is_plain):
            return None
        if content.horizon.prices[self._number] or max(content.price_decimals, content.size_decimals) > POWERS_MAX:
            return None
        return content

    cdef object _first(self, object count):
        """The best levels as a new list; ``None`` where it is not for here to say."""
        cdef ContentState content = self._plain()
        cdef int overflow = 0
        cdef int64_t n
        cdef Ladder ladder
        cdef Kept* kept
        cdef list found
        cdef Py_ssize_t at
        if content is None or not PyLong_CheckExact(count):
            return None
        n = PyLong_AsLongLongAndOverflow(count, &overflow)
        ladder = content.bids if self._number == 0 else content.asks
        if n > ladder._length:
            n = ladder._length
        if overflow or not 0 < n <= KEPT_MAX:
            return None
        found = PyList_New(n)
        # Asked again: to make a list may run other code, which may change the ladder.
        if n > ladder._length:
            return None
        kept = self._kept
        if (
            kept == NULL
            or kept.count < n
            or kept.scale != scale_of(content.price_decimals, content.size_decimals)
            or not is_shown(kept, ladder, n)
        ):
            kept = self._renewed(ladder, n, content.price_decimals, content.size_decimals)
        for at in range(n):
            set_new(found, at, kept.levels[at])
        return found

    cdef object _at(self, object index):
        """The level at a position from the best; ``None`` where it is not for here to say."""
        cdef ContentState content = self._plain()
        cdef int overflow = 0
        cdef int64_t price, size
        if content is None:
            return None
        if not (content.bids if self._number == 0 else content.asks).level(
            PyLong_AsLongLongAndOverflow(index, &overflow), &price, &size
        ):
            return None
        return new_pair(LEVEL, rounded(price, 1, content.price_decimals), rounded(size, 1, content.size_decimals))

    cdef Kept* _renewed(self, Ladder ladder, Py_ssize_t n, int price_decimals, int size_decimals) except NULL:
        """Keep the best ``n`` >= 1 levels as they are now; only those that changed are made anew."""
        cdef Kept* old = self._kept
        cdef Kept* kept
        cdef int64_t sign = ladder._sign
        cdef Py_ssize_t at
        cdef Py_ssize_t other = 0
        cdef Py_ssize_t capacity = n
        cdef object level
        # While levels are made, other code may run and come by here: it finds nothing kept.
        self._kept = NULL
        if old != NULL and old.scale != scale_of(price_decimals, size_decimals):
            drop(old)
            old = NULL
        if old != NULL and old.count > n:
            capacity = old.count
        try:
            kept = new_kept(capacity, scale_of(price_decimals, size_decimals))
            try:
                best_levels(ladder, n, kept.prices, kept.sizes)
                for at in range(n):
                    # Both are sorted, so each is gone through once.
                    while old != NULL and other < old.count and sign * old.prices[other] > sign * kept.prices[at]:
                        other += 1
                    if old != NULL and other < old.count and is_same(old, other, kept, at):
                        kept.levels[at], old.levels[other] = old.levels[other], NULL
                    else:
                        level = new_pair(
                            LEVEL, rounded(kept.prices[at], 1, price_decimals), rounded(kept.sizes[at], 1, size_decimals)
                        )
                        Py_INCREF(level)
                        kept.levels[at] = <PyObject*> level
                    kept.count += 1
                # What was not asked for this time stays for the next.
                while old != NULL and other < old.count and kept.count < capacity:
                    if sign * old.prices[other] < sign * kept.prices[n - 1]:
                        kept.prices[kept.count], kept.sizes[kept.count] = old.prices[other], old.sizes[other]
                        kept.levels[kept.count], old.levels[other] = old.levels[other], NULL
                        kept.count += 1
                    other += 1
            except:
                drop(kept)
                raise
        finally:
            drop(old)
        drop(self._kept)
        self._kept = kept
        return kept

    def __getitem__(self, index):
        cdef object answer = None
        cdef SliceObject* part
        if PySlice_Check(index):
            part = <SliceObject*> index
            if part.start == <PyObject*> None and part.step == <PyObject*> None:
                answer = self._first(<object> part.stop)
        elif PyLong_CheckExact(index):
            answer = self._at(index)
        return PURE["__getitem__"](self, index) if answer is None else answer


def top(SideState self not None, n, *, allow_partial=False):
    cdef object answer = self._first(n) if allow_partial is False else None
    return PURE["top"](self, n, allow_partial=allow_partial) if answer is None else answer


def side_method(method):
    """Answer a method of ``SideView`` here where the answer is plain, and by itself where not."""
    PURE[method.__name__] = method
    return SideState.__getitem__ if method.__name__ == "__getitem__" else update_wrapper(top, method)
