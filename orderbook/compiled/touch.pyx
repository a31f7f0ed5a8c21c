# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The best levels of a LIVE book as floats, in one native call; everything else is asked of the reader itself.

A number is a quotient of two integers that are both exact as doubles, so one division rounds it once, and correctly. Where
they are not, the reader's own arithmetic is asked.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.stdint cimport int64_t

from orderbook.compiled.content cimport ContentState

from orderbook.types import BBO, Level

cdef extern from *:
    """
    static PyObject *new_pair(PyObject *type, PyObject *first, PyObject *second) {
        PyTypeObject *kind = (PyTypeObject *)type;
        PyObject *pair = kind->tp_alloc(kind, 2);
        if (pair == NULL) return NULL;
        Py_INCREF(first); Py_INCREF(second);
        PyTuple_SET_ITEM(pair, 0, first); PyTuple_SET_ITEM(pair, 1, second);
        return pair;
    }
    """
    object new_pair(object type, object first, object second)

cdef enum:
    EXACT = 1 << 53     # integers up to here are exact as doubles
    SCALE = 22          # and so are the powers of ten up to here

cdef double[SCALE + 1] POWERS
cdef int _power
POWERS[0] = 1.0
for _power in range(1, SCALE + 1):
    POWERS[_power] = POWERS[_power - 1] * 10.0

cdef object LEVEL = Level
cdef object TOUCH = BBO


cdef class GuardState:
    """The attributes of a ``guard.Guard`` that readers look at each time."""

    def __init__(self):
        self.content = None
        self.is_plain = False


cdef class ReaderState:
    """What a ``reader.Reader`` keeps, and its questions about the best levels."""

    cdef ContentState _plain(self):
        """The content, if the answer is plain: a book that may be read, and whose best levels are sure."""
        cdef GuardState guard = self._guard
        if self._is_float and (guard.is_plain or not self._guarded):
            return guard.content
        return None
