# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From the body of a snapshot to the ladders of a content, in one native call. Twin of ``sync.loader.PureLoader``."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact

from orderbook.compiled.content cimport ContentState
from orderbook.compiled.found cimport Scan, begin, finish
from orderbook.compiled.scanner cimport Scanner

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    bint PyUnicode_IS_ASCII(object text)


cdef class Loader:
    """Takes plain bodies; see the pure twin, which is the documentation of both."""

    cdef Scanner _scanner
    cdef Py_ssize_t _bytes_max

    def __init__(self, layout, str symbol not None, Py_ssize_t bytes_max):
        self._scanner = None if layout is None else Scanner(layout, symbol)
        self._bytes_max = bytes_max

    def load(self, body, ContentState content not None):
        cdef const char* text = NULL
        cdef Py_ssize_t length = 0
        cdef Scan found
        if self._scanner is None:
            return None
        if isinstance(body, (bytearray, memoryview)) and memoryview(body).nbytes <= self._bytes_max:
            # A buffer may change or end without a zero byte; a copy takes a small part of the time.
            body = bytes(body)
        if PyBytes_CheckExact(body):
            text = PyBytes_AS_STRING(body)
            length = PyBytes_GET_SIZE(body)
        elif PyUnicode_CheckExact(body) and PyUnicode_IS_ASCII(body):
            text = PyUnicode_AsUTF8AndSize(body, &length)
        if text == NULL or length > self._bytes_max:
            return None
        # Its memory is given back at once: a body is a hundred times a frame, and rare.
        begin(&found)
        try:
            if not self._scanner.scan(text, length, &found) or not found.seen[0] or not found.seen[1]:
                return None
            rows = found.sides[0].count, found.sides[1].count
            return rows if content.fill(&found) else None
        finally:
            finish(&found)
