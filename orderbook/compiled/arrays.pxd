# Levels as arrays.

from orderbook.compiled.ladder cimport Ladder

cdef object best_array(Ladder ladder, Py_ssize_t n, double price_unit, double size_unit)
