# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Frames and REST bodies to numbers, without Python objects in between.

A ``Scanner`` reads a whole message, by its plan, in any order of keys and with any white space, and skips
what it does not know. It accepts a part of what the venue's own functions accept, and with the same values; everything
else it refuses, and they decide. Refused are, among what they might take: escapes, anything beyond ASCII, exponents,
numbers of more than 18 digits, and objects with more keys than are worth comparing with each other.

Text ends with a zero byte, or at least with a byte that no value goes over; so the end needs no check at each step.
"""

from cython cimport final
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, strncmp

from orderbook.compiled.found cimport (
    CHANGE, NUMBER, OBJECT, OTHER, PRICE, ROWS, SEQUENCE, SIZE, TEXT, VALUES, Kind, Row, Scan, Value, begin, finish,
    forget, note, room,
)
from orderbook.compiled.numbers cimport (
    ORDERBOOK_EIGHT, decimal, integer, quoted_decimal, quoted_integer, usual_decimal,
)
from orderbook.compiled.plan cimport END, START, TIME, Key, Node, Plan
from orderbook.compiled.skipping cimport KEYS, NESTING, blank, skipped, text_end

cdef enum:
    USUAL_ROW = 64     # bytes that two usual numbers, and what is around them, surely fit in
    LEARNT = 4_096     # bytes of a message that are kept; snapshots are longer, and rare


cdef inline const char* usual_row(const char* at, Scan* found, bint is_counted, Row* row) noexcept nogil:
    """Behind a row as nearly all of them look, ``["price","size"]`` or with a sequence; NULL if it is another one."""
    if not ORDERBOOK_EIGHT or found.stop - at < USUAL_ROW or memcmp(at, b'["', 2) != 0:
        return NULL
    at = usual_decimal(at + 2, &row.price, &row.price_decimals, &found.price_length)
    if at == NULL or memcmp(at, b'","', 3) != 0:
        return NULL
    at = usual_decimal(at + 3, &row.size, &row.size_decimals, NULL)
    if at == NULL:
        return NULL
    row.sequence = -1
    if is_counted:
        if memcmp(at, b'","', 3) != 0:
            return NULL
        at = integer(at + 3, found.stop, &found.leads[0], &row.sequence)
        if at == NULL:
            return NULL
    return at + 2 if memcmp(at, b'"]', 2) == 0 else NULL


cdef inline bint is_same(const char* one, const char* other, Py_ssize_t length) noexcept nogil:
    """Whether two texts are the same; short ones are compared here, which takes less than the call of ``memcmp``."""
    cdef uint64_t left
    cdef uint64_t right
    cdef uint64_t difference = 0
    cdef Py_ssize_t at = 0
    if length < 8:
        while at < length:
            difference |= <uint64_t>(one[at] ^ other[at])
            at += 1
        return difference == 0
    if length > 32:
        return memcmp(one, other, length) == 0
    # The last word may overlap the one before it.
    while at < length - 8:
        memcpy(&left, one + at, 8)
        memcpy(&right, other + at, 8)
        difference |= left ^ right
        at += 8
    memcpy(&left, one + length - 8, 8)
    memcpy(&right, other + length - 8, 8)
    return (difference | (left ^ right)) == 0


@final
cdef class Scanner(Plan):
    """Reads messages of one layout and symbol; see ``Plan``."""

    def __dealloc__(self):
        free(self.last)

    cdef bint scan(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil:
        """Read a message; whether it was plain and whole. Only then ``found`` means anything."""
        if not self._scan_alike(text, length, found):
            if not self._scan_any(text, length, found):
                return False
            self._learn(text, length, found)
        if self.time_units != 1 and found.time > 0:
            found.time //= self.time_units
        return True

    cdef bint _scan_alike(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil:
        """Read a message that differs from the last one in its values alone; whether it is such a one.

        All that stands between the values is compared byte by byte, and they are read as they are in any message. So
        what is accepted here is accepted there, and means the same.
        """
        cdef const char* at = text
        cdef const char* end = text + length
        cdef Py_ssize_t behind = 0
        cdef Py_ssize_t between
        cdef Value* value
        cdef int number
        if self.last_length == 0:
            return False
        forget(found)
        found.stop = end
        for number in range(self.value_count):
            value = &self.values[number]
            between = value.first - behind
            if end - at < between or not is_same(at, self.last + behind, between):
                return False
            at = self._value(at + between, value.kind, value.target, found)
            if at == NULL:
                return False
            behind = value.end
        between = self.last_length - behind
        return end - at == between and is_same(at, self.last + behind, between)

    cdef void _learn(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil:
        """Take a message that was read in full as a guess at the next one."""
        cdef void* grown
        self.last_length = 0
        if found.value_count > VALUES or length > LEARNT:
            return
        if length > self.last_capacity:
            grown = realloc(self.last, length)
            if grown == NULL:
                return  # it is a guess only
            self.last = <char*> grown
            self.last_capacity = length
        memcpy(self.last, text, length)
        memcpy(self.values, found.values, found.value_count * sizeof(Value))
        self.value_count = found.value_count
        self.last_length = length

    cdef bint _scan_any(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil:
        """Read a message, whatever it looks like."""
        cdef const char* at = blank(text)
        forget(found)
        found.text = text
        found.stop = text + length
        if at[0] != c'{':
            return False
        at = self._object(at, 0, 1, found)
        if at == NULL:
            return False
        at = blank(at)
        return at == text + length and (found.seen[0] or found.seen[1])

    cdef const char* _value(self, const char* at, Kind kind, int target, Scan* found) noexcept nogil:
        """Read a value that may be another one in each message; behind it, or NULL."""
        cdef int64_t number = 0
        if kind == ROWS:
            return self._rows(at, target, found)
        if kind == CHANGE:
            return self._change(at, found)
        if kind == OTHER:
            return skipped(at, target)
        at = quoted_integer(at, found.stop, &found.leads[target == TIME], &number)
        if target & START:
            found.start = number
        if target & END:
            found.end = number
        if target & TIME:
            found.time = number
        return at

    cdef const char* _object(self, const char* at, int node, int depth, Scan* found) noexcept nogil:
        """Read an object whose brace is next; behind it, or NULL."""
        cdef Node* here = &self.nodes[node]
        cdef Key* keys = &self.keys[here.first]
        cdef Key* key
        cdef const char* names[KEYS]
        cdef Py_ssize_t lengths[KEYS]
        cdef const char* name
        cdef Py_ssize_t length
        cdef int strangers = 0
        cdef int guess = 0
        cdef int tried
        cdef unsigned int seen = 0
        cdef const char* value
        cdef Kind kind
        cdef int target
        at = blank(at + 1)
        if at[0] == c'}':
            return at + 1 if here.needed == 0 else NULL
        while True:
            if at[0] != c'"':
                return NULL
            name = at + 1
            at = text_end(name)
            if at == NULL:
                return NULL
            length = at - name
            at = blank(at + 1)
            if at[0] != c':':
                return NULL
            at = blank(at + 1)
            key = NULL
            for tried in range(here.count):
                # Most venues keep an order, so the next one is where the last one was, and one on.
                if keys[guess].length == length and memcmp(keys[guess].name, name, length) == 0:
                    key = &keys[guess]
                    break
                guess = guess + 1 if guess + 1 < here.count else 0
            if key == NULL:
                for tried in range(strangers):
                    if lengths[tried] == length and memcmp(names[tried], name, length) == 0:
                        return NULL
                if strangers == KEYS:
                    return NULL
                names[strangers] = name
                lengths[strangers] = length
                strangers += 1
                kind, target = OTHER, depth
            else:
                if seen & (1U << guess):
                    return NULL
                seen |= 1U << guess
                kind, target = key.kind, key.target
                guess = guess + 1 if guess + 1 < here.count else 0
            if kind == TEXT:
                if (
                    at[0] != c'"'
                    or strncmp(at + 1, key.text, key.text_length) != 0
                    or at[1 + key.text_length] != c'"'
                ):
                    return NULL
                at += key.text_length + 2
            elif kind == OBJECT:
                at = self._object(at, target, depth + 1, found) if at[0] == c'{' else NULL
            else:
                value = at
                at = self._value(at, kind, target, found)
                if at != NULL:
                    note(found, value, at, kind, target)
            if at == NULL:
                return NULL
            at = blank(at)
            if at[0] == c',':
                at = blank(at + 1)
            elif at[0] == c'}':
                return at + 1 if seen & here.needed == here.needed else NULL
            else:
                return NULL

    cdef const char* _rows(self, const char* at, int side, Scan* found) noexcept nogil:
        """Read a list of rows; behind it, or NULL."""
        cdef Row* row
        cdef const char* behind
        found.seen[side] = True
        if at[0] != c'[':
            return NULL
        at = blank(at + 1)
        if at[0] == c']':
            return at + 1
        while True:
            row = room(&found.sides[side], found)
            if row == NULL:
                return NULL
            behind = usual_row(at, found, self.is_counted, row) if self.is_usual else NULL
            at = self._row(at, row, found) if behind == NULL else behind
            if at == NULL:
                return NULL
            found.sides[side].count += 1
            at = blank(at)
            if at[0] == c',':
                at = blank(at + 1)
            else:
                return at + 1 if at[0] == c']' else NULL

    cdef const char* _row(self, const char* at, Row* row, Scan* found) noexcept nogil:
        """Read one row, whatever it looks like; behind it, or NULL."""
        cdef int place
        cdef Kind kind
        row.sequence = -1
        if at[0] != c'[':
            return NULL
        for place in range(self.row_length):
            # The bracket, or the comma after the last one.
            if place:
                at = blank(at)
                if at[0] != c',':
                    return NULL
            at = blank(at + 1)
            kind = self.row[place]
            if kind == PRICE:
                at = quoted_decimal(at, found.stop, &row.price, &row.price_decimals)
            elif kind == SIZE:
                at = quoted_decimal(at, found.stop, &row.size, &row.size_decimals)
            elif kind == SEQUENCE:
                at = quoted_integer(at, found.stop, &found.leads[0], &row.sequence)
            else:
                at = skipped(at, NESTING - 1)
            if at == NULL:
                return NULL
        at = blank(at)
        return at + 1 if at[0] == c']' else NULL

    cdef const char* _change(self, const char* at, Scan* found) noexcept nogil:
        """Read one row as a text with commas; behind it, or NULL."""
        cdef Row change
        cdef Row* row
        cdef int place
        cdef int side = -1
        cdef int other
        if at[0] != c'"':
            return NULL
        at += 1
        change.sequence = -1
        for place in range(3):
            if place:
                if at[0] != c',':
                    return NULL
                at += 1
            if place == self.change_price:
                at = decimal(at, found.stop, &change.price, &change.price_decimals)
            elif place == self.change_size:
                at = decimal(at, found.stop, &change.size, &change.size_decimals)
            else:
                for other in range(2):
                    if side < 0 and strncmp(at, self.names[other], self.name_lengths[other]) == 0:
                        side = other
                        at += self.name_lengths[other]
            if at == NULL:
                return NULL
        if side < 0 or at[0] != c'"':
            return NULL
        row = room(&found.sides[side], found)
        if row == NULL:
            return NULL
        row[0] = change
        found.sides[side].count += 1
        found.seen[side] = True
        return at + 1

    def read(self, bytes text not None):
        """What stands in a message, as Python values, or ``None``: for tests of the scanner alone."""
        cdef Scan found
        cdef Row* row
        cdef Py_ssize_t number
        begin(&found)
        try:
            if not self.scan(<const char*> text, len(text), &found):
                return None
            sides = []
            for side in range(2):
                sides.append([])
                for number in range(found.sides[side].count):
                    row = &found.sides[side].first[number]
                    sides[side].append((row.price, row.price_decimals, row.size, row.size_decimals, row.sequence))
            return found.start, found.end, found.time, sides[0], sides[1]
        finally:
            finish(&found)
