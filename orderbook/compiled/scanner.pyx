# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Frames and REST bodies to numbers, without Python objects in between.

A ``Plan`` is a layout made ready. It reads a whole message, in any order of keys and with any white space, and skips
what it does not know. It accepts a part of what the venue's own functions accept, and with the same values; everything
else it refuses, and they decide. Refused are, among what they might take: escapes, anything beyond ASCII, exponents,
numbers of more than 18 digits, and objects with more keys than are worth comparing with each other.

Text ends with a zero byte, or at least with a byte that no value goes over; so the end needs no check at each step.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, strncmp

cdef enum:
    DIGITS = 18        # that fit 63 bits whatever they are
    NESTING = 16       # as venues.wire.NESTING_MAX
    KEYS = 32          # of an object

cdef int64_t[19] POWERS
cdef int _power
POWERS[0] = 1
for _power in range(1, 19):
    POWERS[_power] = POWERS[_power - 1] * 10

# What may be multiplied by a power of ten; a division at each number would be the dearest part of it.
cdef int64_t[19] LIMITS
for _power in range(19):
    LIMITS[_power] = (POWERS[DIGITS] - 1) // POWERS[_power]


cdef void begin(Scan* scan) noexcept nogil:
    """Make it usable for the first time."""
    cdef int side
    for side in range(2):
        scan.sides[side].first = NULL
        scan.sides[side].count = scan.sides[side].capacity = 0
    scan.no_memory = False


cdef void finish(Scan* scan) noexcept nogil:
    """Give its memory back."""
    free(scan.sides[0].first)
    free(scan.sides[1].first)


cdef bint scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil:
    """A number in units of ``10**-scale``, if it can be held exactly."""
    while decimals > scale:
        if digits % 10:
            return False
        digits //= 10
        decimals -= 1
    if scale - decimals > DIGITS or digits > LIMITS[scale - decimals]:
        return digits == 0 and _zero(raw)
    raw[0] = digits * POWERS[scale - decimals]
    return True


cdef inline bint _zero(int64_t* raw) noexcept nogil:
    raw[0] = 0
    return True


cdef inline const char* blank(const char* at) noexcept nogil:
    """Behind white space."""
    while at[0] == c' ' or at[0] == c'\n' or at[0] == c'\r' or at[0] == c'\t':
        at += 1
    return at


cdef inline const char* text_end(const char* at) noexcept nogil:
    """The closing quote of a plain text; NULL if it is not plain."""
    while at[0] != c'"':
        # Signed or not: beyond ASCII and control characters are both no plain text.
        if <unsigned char> at[0] < 0x20 or <unsigned char> at[0] >= 0x7f or at[0] == c'\\':
            return NULL
        at += 1
    return at


cdef inline const char* integer(const char* at, int64_t* value) noexcept nogil:
    """A whole number without a sign, of at most 18 digits; NULL for anything else."""
    cdef const char* first = at
    cdef int64_t found = 0
    while c'0' <= at[0] <= c'9':
        found = found * 10 + (at[0] - c'0')
        at += 1
        if at - first > DIGITS:
            return NULL
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    value[0] = found
    return at


cdef inline const char* quoted_integer(const char* at, int64_t* value) noexcept nogil:
    """The same, bare or in quotes."""
    if at[0] != c'"':
        return integer(at, value)
    at = integer(at + 1, value)
    return at + 1 if at != NULL and at[0] == c'"' else NULL


cdef inline const char* decimal(const char* at, int64_t* digits, int* decimals) noexcept nogil:
    """A number of the library's grammar without an exponent, of at most 18 digits; NULL for anything else."""
    cdef const char* first = at
    cdef const char* point
    cdef int64_t found = 0
    while c'0' <= at[0] <= c'9':
        found = found * 10 + (at[0] - c'0')
        at += 1
        if at - first > DIGITS:
            return NULL
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    decimals[0] = 0
    if at[0] == c'.':
        point = at
        at += 1
        while c'0' <= at[0] <= c'9':
            found = found * 10 + (at[0] - c'0')
            at += 1
            if at - first > DIGITS + 1:
                return NULL
        decimals[0] = <int>(at - point) - 1
        if decimals[0] == 0:
            return NULL
    if at[0] == c'e' or at[0] == c'E':
        return NULL
    digits[0] = found
    return at


cdef inline const char* quoted_decimal(const char* at, int64_t* digits, int* decimals) noexcept nogil:
    """The same, bare or in quotes."""
    if at[0] != c'"':
        return decimal(at, digits, decimals)
    at = decimal(at + 1, digits, decimals)
    return at + 1 if at != NULL and at[0] == c'"' else NULL


cdef const char* skipped(const char* at, int depth) noexcept nogil:
    """Behind a value of no interest, whatever it is, as long as it is plain and good JSON; else NULL."""
    cdef const char* first
    cdef const char* names[KEYS]
    cdef Py_ssize_t lengths[KEYS]
    cdef int count = 0
    cdef int other
    if at[0] == c'"':
        at = text_end(at + 1)
        return NULL if at == NULL else at + 1
    if at[0] == c'{' or at[0] == c'[':
        if depth >= NESTING:
            return NULL
        first = at
        at = blank(at + 1)
        if at[0] == (c'}' if first[0] == c'{' else c']'):
            return at + 1
        while True:
            if first[0] == c'{':
                if at[0] != c'"' or count == KEYS:
                    return NULL
                names[count] = at + 1
                at = text_end(at + 1)
                if at == NULL:
                    return NULL
                lengths[count] = at - names[count]
                for other in range(count):
                    if lengths[other] == lengths[count] and memcmp(names[other], names[count], lengths[count]) == 0:
                        return NULL
                count += 1
                at = blank(at + 1)
                if at[0] != c':':
                    return NULL
                at = blank(at + 1)
            at = skipped(at, depth + 1)
            if at == NULL:
                return NULL
            at = blank(at)
            if at[0] == c',':
                at = blank(at + 1)
                continue
            return at + 1 if at[0] == (c'}' if first[0] == c'{' else c']') else NULL
    if at[0] == c't':
        return at + 4 if at[1] == c'r' and at[2] == c'u' and at[3] == c'e' else NULL
    if at[0] == c'n':
        return at + 4 if at[1] == c'u' and at[2] == c'l' and at[3] == c'l' else NULL
    if at[0] == c'f':
        return at + 5 if at[1] == c'a' and at[2] == c'l' and at[3] == c's' and at[4] == c'e' else NULL
    if at[0] == c'-':
        at += 1
    first = at
    while c'0' <= at[0] <= c'9':
        at += 1
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    if at[0] == c'.':
        at += 1
        first = at
        while c'0' <= at[0] <= c'9':
            at += 1
        if at == first:
            return NULL
    if at[0] == c'e' or at[0] == c'E':
        at += 1
        if at[0] == c'+' or at[0] == c'-':
            at += 1
        first = at
        while c'0' <= at[0] <= c'9':
            at += 1
        if at == first:
            return NULL
    return at


cdef inline Row* room(Rows* rows, Scan* found) noexcept nogil:
    """Where the next row goes; NULL where there is no memory."""
    cdef void* grown
    cdef Py_ssize_t capacity
    if rows.count == rows.capacity:
        capacity = 2 * rows.capacity + 64
        grown = realloc(rows.first, capacity * sizeof(Row))
        if grown == NULL:
            found.no_memory = True
            return NULL
        rows.first = <Row*> grown
        rows.capacity = capacity
    return &rows.first[rows.count]


cdef class Plan:
    """A layout, made ready for one symbol.

    Args:
        layout: A ``venues.layout.Layout``.
        symbol: What ``{symbol}`` stands for.
    """

    def __cinit__(self, layout, str symbol):
        cdef dict tree = {}
        self._kept = []
        for path, text in {**layout.texts, **layout.may_be}.items():
            self._put(tree, path, (TEXT, 0, text.replace("{symbol}", symbol).encode(), path in layout.texts))
        slots = {}
        for path, slot in ((layout.start, START), (layout.end, END), (layout.time, TIME)):
            if path is not None:
                slots[path] = slots.get(path, 0) | slot
        for path, slot in slots.items():
            self._put(tree, path, (NUMBER, slot, b"", slot != TIME))
        for side, path in enumerate((layout.bids, layout.asks)):
            if path is not None:
                self._put(tree, path, (ROWS, side, b"", False))
        if layout.change is not None:
            self._put(tree, layout.change, (CHANGE, 0, b"", True))
        nodes, keys = [], []
        self._flatten(tree, nodes, keys)
        if max(count for _, count, _ in nodes) >= KEYS:
            raise ValueError("a layout with so many keys in an object cannot be read")
        self.keys = <Key*> calloc(len(keys), sizeof(Key))
        self.nodes = <Node*> calloc(len(nodes), sizeof(Node))
        if self.keys == NULL or self.nodes == NULL:
            raise MemoryError
        for number, (name, kind, target, text) in enumerate(keys):
            self._kept += (name, text)
            self.keys[number].name = <const char*> <bytes> name
            self.keys[number].length = len(name)
            self.keys[number].kind = kind
            self.keys[number].target = target
            self.keys[number].text = <const char*> <bytes> text
            self.keys[number].text_length = len(text)
        self.node_count = len(nodes)
        for number, (first, count, needed) in enumerate(nodes):
            self.nodes[number].first = first
            self.nodes[number].count = count
            self.nodes[number].needed = needed
        places = {name: place for place, name in enumerate(layout.row)}
        self.row_length = len(layout.row)
        self.price_at, self.size_at = places["price"], places["size"]
        self.sequence_at = places.get("sequence", -1)
        places = {name: place for place, name in enumerate(layout.change_row)}
        self.change_price, self.change_side, self.change_size = places["price"], places["side"], places["size"]
        for side, word in enumerate(layout.sides):
            name = word.encode()
            self._kept.append(name)
            self.names[side] = <const char*> <bytes> name
            self.name_lengths[side] = len(name)

    def __dealloc__(self):
        free(self.keys)
        free(self.nodes)

    def _put(self, tree, path, leaf):
        *outer, last = path
        for key in outer:
            tree = tree.setdefault(key, {})
        tree[last] = leaf

    def _flatten(self, tree, nodes, keys):
        """Nodes as (first key, how many, which are needed), keys as (name, kind, target, text); the root is node 0."""
        number, first = len(nodes), len(keys)
        nodes.append(None)
        keys.extend([None] * len(tree))
        needed = 0
        for place, (name, leaf) in enumerate(tree.items()):
            if isinstance(leaf, dict):
                keys[first + place] = (name.encode(), OBJECT, self._flatten(leaf, nodes, keys), b"")
                needed |= 1 << place
            else:
                kind, target, text, is_needed = leaf
                keys[first + place] = (name.encode(), kind, target, text)
                needed |= is_needed << place
        nodes[number] = (first, len(tree), needed)
        return number

    cdef bint scan(self, const char* text, Py_ssize_t length, Scan* found) noexcept nogil:
        """Read a message; whether it was plain and whole. Only then ``found`` means anything."""
        cdef const char* at = blank(text)
        found.sides[0].count = found.sides[1].count = 0
        found.seen[0] = found.seen[1] = False
        found.time = -1
        if at[0] != c'{':
            return False
        at = self._object(at, 0, 1, found)
        if at == NULL:
            return False
        at = blank(at)
        return at == text + length and (found.seen[0] or found.seen[1])

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
        cdef int64_t number = 0
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
                at = skipped(at, depth)
            else:
                if seen & (1U << guess):
                    return NULL
                seen |= 1U << guess
                if key.kind == TEXT:
                    if (
                        at[0] != c'"'
                        or strncmp(at + 1, key.text, key.text_length) != 0
                        or at[1 + key.text_length] != c'"'
                    ):
                        return NULL
                    at += key.text_length + 2
                elif key.kind == NUMBER:
                    at = quoted_integer(at, &number)
                    if key.target & START:
                        found.start = number
                    if key.target & END:
                        found.end = number
                    if key.target & TIME:
                        found.time = number
                elif key.kind == OBJECT:
                    at = self._object(at, key.target, depth + 1, found) if at[0] == c'{' else NULL
                elif key.kind == ROWS:
                    at = self._rows(at, key.target, found)
                else:
                    at = self._change(at, found)
                guess = guess + 1 if guess + 1 < here.count else 0
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
        cdef int place
        found.seen[side] = True
        if at[0] != c'[':
            return NULL
        at = blank(at + 1)
        if at[0] == c']':
            return at + 1
        while True:
            row = room(&found.sides[side], found)
            if row == NULL or at[0] != c'[':
                return NULL
            row.sequence = -1
            at = blank(at + 1)
            for place in range(self.row_length):
                if place:
                    at = blank(at)
                    if at[0] != c',':
                        return NULL
                    at = blank(at + 1)
                if place == self.price_at:
                    at = quoted_decimal(at, &row.price, &row.price_decimals)
                elif place == self.size_at:
                    at = quoted_decimal(at, &row.size, &row.size_decimals)
                elif place == self.sequence_at:
                    at = quoted_integer(at, &row.sequence)
                else:
                    at = skipped(at, NESTING - 1)
                if at == NULL:
                    return NULL
            at = blank(at)
            if at[0] != c']':
                return NULL
            found.sides[side].count += 1
            at = blank(at + 1)
            if at[0] == c',':
                at = blank(at + 1)
            else:
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
                at = decimal(at, &change.price, &change.price_decimals)
            elif place == self.change_size:
                at = decimal(at, &change.size, &change.size_decimals)
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
