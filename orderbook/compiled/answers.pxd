# How compiled queries make the numbers and the Python objects that they answer with.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from orderbook.compiled.measures cimport EXACT, POWERS, PRODUCT_MAX

cdef enum:
    SPREAD, SPREAD_BPS, MID, MICROPRICE    # what follows from two best levels

cdef enum:
    SUM_BITS = 62      # prices below, so that a sum of two fits 64 bits,
    SPREAD_BITS = 48   # and spreads, so that 20,000 of them do

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
    /* The same, of numbers alone: in the last one, if nobody holds that any more. It takes less than a new one does, and
       the end of the last one. Later Pythons keep the hash of a tuple in it, and without a GIL others may hold it. */
    static CYTHON_INLINE PyObject *renewed(PyObject *last, PyObject *type, Py_ssize_t count, PyObject *const *fields) {
    #if PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
        Py_ssize_t at;
        if (Py_REFCNT(last) == 1 && (PyObject *)Py_TYPE(last) == type) {
            for (at = 0; at < count; at++) {
                PyObject *field = PyTuple_GET_ITEM(last, at);
                Py_INCREF(fields[at]);
                PyTuple_SET_ITEM(last, at, fields[at]);
                Py_DECREF(field);
            }
            Py_INCREF(last);
            return last;
        }
    #endif
        return new_named(type, count, fields);
    }
    #endif
    """
    object new_named(object type, Py_ssize_t count, PyObject** fields)
    object renewed(PyObject* last, object type, Py_ssize_t count, PyObject** fields)


cdef inline object new_pair(object type, object first, object second):
    cdef PyObject* fields[2]
    fields[0], fields[1] = <PyObject*> first, <PyObject*> second
    return new_named(type, 2, fields)


cdef inline bint nearest(int64_t numerator, int64_t denominator, int decimals, double* value) noexcept nogil:
    """The double nearest to ``numerator / denominator * 10**-decimals``, if it can be told without Python.

    A division of two doubles is rounded once, and correctly. ``decimals`` is at most ``POWERS_MAX``.
    """
    cdef double below = <double> denominator * POWERS[decimals]
    # One more than ``EXACT`` would be rounded to it.
    if not (below < <double> EXACT or denominator == 1) or not -EXACT <= numerator <= EXACT:
        return False
    value[0] = <double> numerator / below
    return True


cdef inline object rounded(int64_t numerator, int64_t denominator, int decimals):
    """The same as a float; where integers are not exact as doubles, Python divides."""
    cdef double value
    if nearest(numerator, denominator, decimals, &value):
        return value
    return <object> numerator / (<object> denominator * (<object> 10) ** <object> decimals)


cdef inline bint touch_ratio(
    int question, int64_t bid, int64_t bid_size, int64_t ask, int64_t ask_size, int64_t* numerator, int64_t* denominator
) noexcept nogil:
    """As the function of that name in ``queries``, in raw units; whether it fits here."""
    cdef int64_t spread = ask - bid
    if question == SPREAD:
        numerator[0], denominator[0] = spread, 1
        return True
    if bid >> SUM_BITS or ask >> SUM_BITS:
        return False
    if question == SPREAD_BPS:
        if (spread if spread > 0 else -spread) >> SPREAD_BITS:
            return False
        numerator[0], denominator[0] = 20_000 * spread, bid + ask
        return True
    if question == MID:
        numerator[0], denominator[0] = bid + ask, 2
        return True
    # Each product is exact or too large: judged as doubles, a last bit does not count.
    if <double> bid * ask_size > PRODUCT_MAX or <double> ask * bid_size > PRODUCT_MAX:
        return False
    if bid_size >> SUM_BITS or ask_size >> SUM_BITS:
        return False
    numerator[0], denominator[0] = bid * ask_size + ask * bid_size, bid_size + ask_size
    return True
