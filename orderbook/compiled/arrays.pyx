# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Levels as NumPy arrays. They are copies of one moment: no later change of the book reaches them, nor does its end.

The only module that is built with NumPy's headers.
"""

cimport numpy

from orderbook.compiled.ladder cimport Ladder
from orderbook.compiled.measures cimport TOO_LARGE, best_rows

numpy.import_array()


cdef object best_array(Ladder ladder, Py_ssize_t n, double price_unit, double size_unit):
    """The best ``n`` levels as float64 of shape (m, 2), m <= n; ``None`` if a number is not exact as a double."""
    cdef numpy.npy_intp[2] shape
    cdef object rows
    shape[0] = min(n, ladder._length)
    shape[1] = 2
    rows = numpy.PyArray_SimpleNew(2, shape, numpy.NPY_DOUBLE)
    # Counted again: making an array may run other code, which may change the ladder.
    if shape[0] != min(n, ladder._length):
        return None
    if best_rows(ladder, n, price_unit, size_unit, <double*> numpy.PyArray_DATA(rows)) == TOO_LARGE:
        return None
    return rows
