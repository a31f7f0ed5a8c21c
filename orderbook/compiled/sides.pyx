# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best levels of one side of a LIVE book, as floats, in one native call; else the view itself is asked.

The levels handed out last are kept here, each with the price and the size it was made of. A level is made anew only
when it changed; a list is one that nobody else holds. Ladders know nothing of this: they hold no Python object. What
is kept is compared with the ladder each time, so it cannot be out of date.
"""

from functools import update_wrapper

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.slice cimport PySlice_Check
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from orderbook.compiled.answers cimport new_pair, rounded
from orderbook.compiled.content cimport ContentState
from orderbook.compiled.ladder cimport Block, Ladder
from orderbook.compiled.measures cimport POWERS_MAX
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
    /* Whether nobody else holds a list, and it still holds exactly these. (Of None there are more references.) */
    static CYTHON_INLINE int is_free_list_of(PyObject *list, PyObject *const *items, Py_ssize_t count) {
        return Py_REFCNT(list) == 1 && PyList_GET_SIZE(list) == count
            && memcmp(((PyListObject *)list)->ob_item, items, (size_t)count * sizeof(PyObject *)) == 0;
    }
    static CYTHON_INLINE void set_new(PyObject *list, Py_ssize_t at, PyObject *item) {
        Py_INCREF(item);
        PyList_SET_ITEM(list, at, item);
    }
    """
    bint is_free_list_of(PyObject* found, PyObject** items, Py_ssize_t count) noexcept
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
    kept.keys = <int64_t*> (kept + 1) + capacity
    kept.sizes = kept.keys + capacity
    kept.levels = <PyObject**> kept.sizes
    return kept


cdef void drop(Kept* kept) noexcept:
    cdef Py_ssize_t at
    if kept != NULL:
        for at in range(kept.count):
            Py_XDECREF(kept.levels[at])
        free(kept)


cdef void copy_best(Kept* kept, Ladder ladder, Py_ssize_t count) noexcept nogil:
    """Take the keys and sizes of the best ``count`` levels of a ladder that has so many."""
    cdef Py_ssize_t number = ladder._count
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t many
    cdef Block* block
    while found < count:
        number -= 1
        block = ladder._blocks[number]
        many = min(count - found, <Py_ssize_t> block.count)
        found += many
        memcpy(kept.keys - found, &block.keys[block.count - many], many * sizeof(int64_t))
        memcpy(kept.sizes - found, &block.sizes[block.count - many], many * sizeof(int64_t))


cdef bint is_shown(Kept* kept, Ladder ladder, Py_ssize_t count) noexcept nogil:
    """Whether the first ``count`` levels kept are the best ones of a ladder that has so many."""
    cdef Py_ssize_t number = ladder._count
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t many
    cdef Block* block
    while found < count:
        number -= 1
        block = ladder._blocks[number]
        many = min(count - found, <Py_ssize_t> block.count)
        found += many
        if memcmp(kept.keys - found, &block.keys[block.count - many], many * sizeof(int64_t)):
            return False
        if memcmp(kept.sizes - found, &block.sizes[block.count - many], many * sizeof(int64_t)):
            return False
    return True


cdef bint fill_up(Kept* kept, Py_ssize_t n, int64_t sign, int price_decimals, int size_decimals) except False:
    """Make levels up to the ``n``-th."""
    cdef object level
    cdef Py_ssize_t at
    for at in range(kept.count, n):
        level = new_pair(
            LEVEL,
            rounded(sign * kept.keys[-1 - at], 1, price_decimals),
            rounded(kept.sizes[-1 - at], 1, size_decimals),
        )
        Py_INCREF(level)
        kept.levels[at] = <PyObject*> level
        kept.count += 1
    return True


cdef bint merge(
    Kept* old, Kept* kept, Py_ssize_t n, int64_t sign, int price_decimals, int size_decimals
) except False:
    """Take over the levels that are still right, and make the others. Both are sorted: each is gone through once."""
    cdef Py_ssize_t other = 0
    cdef Py_ssize_t at
    cdef int64_t key
    for at in range(n):
        key = kept.keys[-1 - at]
        while other < old.count and old.keys[-1 - other] > key:
            other += 1
        if other < old.count and old.keys[-1 - other] == key and old.sizes[-1 - other] == kept.sizes[-1 - at]:
            take_over(old, other, kept)
            other += 1
        else:
            fill_up(kept, at + 1, sign, price_decimals, size_decimals)
    # What was not asked for this time stays for the next, as far as there is room.
    key = kept.keys[-n]
    for other in range(other, old.count):
        if kept.count == max(n, old.count):
            break
        if old.keys[-1 - other] < key:
            kept.keys[-1 - kept.count] = old.keys[-1 - other]
            kept.sizes[-1 - kept.count] = old.sizes[-1 - other]
            take_over(old, other, kept)
    return True


cdef void take_over(Kept* old, Py_ssize_t other, Kept* kept) noexcept:
    kept.levels[kept.count] = old.levels[other]
    old.levels[other] = NULL
    kept.count += 1


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
        cdef GuardState guard = self._guard
        cdef ContentState content
        # Without a guard, or a content, it is only half made: Python says what is missing.
        if guard is None or not self._is_float or (self._guarded and not guard.is_plain):
            return None
        content = guard.content
        if content is None or content.horizon.prices[self._number] or max(content.price_decimals, content.size_decimals) > POWERS_MAX:
            return None
        return content

    cdef object _first(self, object count):
        """The best levels as a new list; ``None`` where it is not for here to say."""
        cdef ContentState content = self._plain()
        cdef int overflow = 0
        cdef int64_t n
        cdef Ladder ladder
        cdef Kept* kept
        if content is None or not PyLong_CheckExact(count):
            return None
        n = PyLong_AsLongLongAndOverflow(count, &overflow)
        ladder = content.bids if self._number == 0 else content.asks
        if n > ladder._length:
            n = ladder._length
        if overflow or not 0 < n <= KEPT_MAX:
            return None
        kept = self._kept
        if (
            kept == NULL
            or kept.count < n
            or kept.scale != scale_of(content.price_decimals, content.size_decimals)
            or not is_shown(kept, ladder, n)
        ):
            kept = self._renewed(ladder, n, content.price_decimals, content.size_decimals)
        return self._listed(kept, n)

    cdef object _listed(self, Kept* kept, Py_ssize_t n):
        """The first levels kept, as a list that nobody else holds; ``None`` where they were renewed meanwhile.

        The last two lists are remembered: one that was let go of, and unchanged, is as good as a new one.
        """
        cdef list found
        cdef Py_ssize_t at
        cdef int64_t renewals = self._renewals
        if is_free_list_of(<PyObject*> self._last, kept.levels, n):
            return self._last
        if is_free_list_of(<PyObject*> self._before, kept.levels, n):
            self._last, self._before = self._before, self._last
            return self._last
        found = PyList_New(n)
        # To make a list may run other code, which may come by here.
        if renewals != self._renewals:
            return None
        for at in range(n):
            set_new(found, at, kept.levels[at])
        self._last, self._before = found, self._last
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
        cdef int scale = scale_of(price_decimals, size_decimals)
        cdef Kept* kept = new_kept(n if old == NULL else max(n, old.count), scale)
        copy_best(kept, ladder, n)
        # While levels are made, other code may run and come by here: it finds nothing kept. And whoever was interrupted
        # by this learns that what it had is gone, even if it ends with an error.
        self._kept = NULL
        self._renewals += 1
        try:
            if old == NULL or old.scale != scale:
                fill_up(kept, n, ladder._sign, price_decimals, size_decimals)
            else:
                merge(old, kept, n, ladder._sign, price_decimals, size_decimals)
        except:
            drop(kept)
            raise
        finally:
            drop(old)
        drop(self._kept)
        self._kept = kept
        self._renewals += 1
        return kept

    def __getitem__(self, index):
        """One level by position (0 is the best), or several by slice, with the rules of ``list``.

        The length of a partial side is unknown: whatever counts from its end, or reaches past its last trusted
        level, cannot be answered.

        Raises:
            BeyondHorizon: As said.
            IndexError: A complete side has no such position.
            UsageError: Neither an integer nor a slice of integers.

        Complexity: O(log n) for a position, O(largest position) for a slice.
        """
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


def pure_methods():
    """The methods that are asked where the answer is not plain, by name."""
    return dict(PURE)
