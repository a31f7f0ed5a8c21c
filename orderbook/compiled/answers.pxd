# How compiled queries make the Python objects that they answer with.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from orderbook.compiled.measures cimport EXACT, POWERS

cdef extern from *:
    """
    #ifndef ORDERBOOK_NEW_NAMED
    #define ORDERBOOK_NEW_NAMED
    /* A named tuple without the call of its class: that would cost as much as most queries. */
    static CYTHON_INLINE PyObject *new_named(PyObject *type, Py_ssize_t count, PyObject *const *fields) {
        PyTypeObject *kind = (PyTypeObject *)type;
        PyObject *named = kind->tp_alloc(kind, count);
        Py_ssize_t at;
        if (named == NULL) return NULL;
        for (at = 0; at < count; at++) {
            Py_INCREF(fields[at]);
            PyTuple_SET_ITEM(named, at, fields[at]);
        }
        return named;
    }
    #endif
    """
    object new_named(object type, Py_ssize_t count, PyObject** fields)


cdef inline object new_pair(object type, object first, object second):
    cdef PyObject* fields[2]
    fields[0], fields[1] = <PyObject*> first, <PyObject*> second
    return new_named(type, 2, fields)


cdef inline object rounded(int64_t numerator, int64_t denominator, int decimals):
    """The float nearest to ``numerator / denominator * 10**-decimals``; ``decimals`` is at most ``POWERS_MAX``.

    A division of two doubles is rounded once, and correctly. Where integers are not exact as doubles, Python divides.
    """
    cdef double below = <double> denominator * POWERS[decimals]
    if (below <= <double> EXACT or denominator == 1) and -EXACT <= numerator <= EXACT:
        return <double> numerator / below
    return <object> numerator / (<object> denominator * (<object> 10) ** <object> decimals)
