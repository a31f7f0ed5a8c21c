# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Frames and REST bodies to numbers, without Python objects in between.

A ``Plan`` is a layout made ready. It reads a whole message, in any order of keys and with any white space, and skips
what it does not know. It accepts a part of what the venue's own functions accept, and with the same values; everything
else it refuses, and they decide. Refused are, among what they might take: escapes, anything beyond ASCII, exponents,
numbers of more than 18 digits, and objects with more keys than are worth comparing with each other.

Text ends with a zero byte, or at least with a byte that no value goes over; so the end needs no check at each step.
"""

from cython cimport final
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, strncmp

cdef extern from *:
    """
    /* Up to eight digits at once: how many of the next eight bytes are digits before the first that is none, and their
       value. Without a branch on the data: lengths of numbers cannot be foreseen. The digits are moved to where the last
       ones of eight would be, zeros before them; then added up in pairs, fours, and all. */
    #if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define ORDERBOOK_EIGHT 1
    static inline int eight_digits(const char *at, uint64_t *value) {
        uint64_t text, strange;
        int count;
        memcpy(&text, at, 8);
        strange = ((text ^ 0x3030303030303030u) | ((text + 0x0606060606060606u) ^ 0x3030303030303030u))
                  & 0xF0F0F0F0F0F0F0F0u;
        count = strange ? __builtin_ctzll(strange) >> 3 : 8;
        text = count ? text << (64 - 8 * count) : 0;
        text = (text & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
        text = (text & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
        *value = (text & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
        return count;
    }
    #else
    #define ORDERBOOK_EIGHT 0
    static inline int eight_digits(const char *at, uint64_t *value) { (void)at; (void)value; return 0; }
    #endif
    """
    int eight_digits(const char* at, uint64_t* value) noexcept nogil
    bint ORDERBOOK_EIGHT

cdef enum:
    DIGITS = 18        # that fit 63 bits whatever they are
    NESTING = 16       # as venues.wire.NESTING_MAX
    KEYS = 32          # of an object
    LEARNT = 4_096     # bytes of a message that are kept; snapshots are longer, and rare

cdef int64_t[DIGITS + 1] POWERS   # of ten,
cdef int64_t[DIGITS + 1] MOST     # and what may be multiplied by them
cdef int _power
POWERS[0] = 1
for _power in range(1, DIGITS + 1):
    POWERS[_power] = POWERS[_power - 1] * 10
for _power in range(DIGITS + 1):
    MOST[_power] = (POWERS[DIGITS] - 1) // POWERS[_power]


cdef void begin(Scan* scan) noexcept nogil:
    """Make it usable for the first time."""
    cdef int side
    for side in range(2):
        scan.sides[side].first = NULL
        scan.sides[side].count = scan.sides[side].capacity = 0
    for side in range(2):
        memcpy(&scan.leads[side].text, b"10000000", 8)
        scan.leads[side].value = 10_000_000
    scan.no_memory = False


cdef void forget(Scan* scan) noexcept nogil:
    """Make it ready for the next message."""
    scan.sides[0].count = scan.sides[1].count = 0
    scan.seen[0] = scan.seen[1] = False
    scan.time = -1
    scan.value_count = 0


cdef void finish(Scan* scan) noexcept nogil:
    """Give its memory back."""
    free(scan.sides[0].first)
    free(scan.sides[1].first)


cdef void relax(Scan* scan) noexcept nogil:
    """Give back the memory of a message with very many rows; who scans many such messages has the time to ask anew."""
    if scan.sides[0].capacity > ROWS_KEPT or scan.sides[1].capacity > ROWS_KEPT:
        finish(scan)
        begin(scan)


cdef bint scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil:
    """A number in units of ``10**-scale``, if it can be held exactly."""
    while decimals > scale:
        if digits % 10:
            return False
        digits //= 10
        decimals -= 1
    if scale - decimals > DIGITS or digits > MOST[scale - decimals]:
        return digits == 0 and _zero(raw)
    raw[0] = digits * POWERS[scale - decimals]
    return True


cdef inline bint _zero(int64_t* raw) noexcept nogil:
    raw[0] = 0
    return True


cdef inline const char* blank(const char* at) noexcept nogil:
    """Behind white space."""
    while <unsigned char> at[0] <= c' ' and (at[0] == c' ' or at[0] == c'\n' or at[0] == c'\r' or at[0] == c'\t'):
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


cdef inline const char* some_digits(const char* at, const char* end, uint64_t* value) noexcept nogil:
    """Behind the digits that come next, which are appended to a value; too many of them make nonsense of it."""
    cdef uint64_t part = 0
    cdef int count
    while ORDERBOOK_EIGHT and end - at >= 8:
        count = eight_digits(at, &part)
        value[0] = value[0] * <uint64_t> POWERS[count] + part
        at += count
        if not c'0' <= at[0] <= c'9':
            return at
    return few_digits(at, value)


cdef inline const char* few_digits(const char* at, uint64_t* value) noexcept nogil:
    """The same, one after the other."""
    while c'0' <= at[0] <= c'9':
        value[0] = value[0] * 10 + <uint64_t>(at[0] - c'0')
        at += 1
    return at


cdef inline const char* integer(const char* at, const char* end, Lead* lead, int64_t* value) noexcept nogil:
    """A whole number without a sign, to which 1 can be added in 63 bits; NULL for anything else.

    Sequences and times begin as those before them did: eight bytes are compared, and not read again.
    """
    cdef const char* first = at
    cdef uint64_t found = 0
    cdef uint64_t text = 0
    if ORDERBOOK_EIGHT and end - at >= 8:
        memcpy(&text, at, 8)
        if text == lead.text:
            found = lead.value
            at += 8
            at = few_digits(at, &found)
            # One digit more than surely fits: times in ns have so many, and 64 bits hold them all.
            if at - first > DIGITS + 1 or found >= <uint64_t> INT64_MAX:
                return NULL
            value[0] = <int64_t> found
            return at
    at = some_digits(at, end, &found)
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    if at - first > DIGITS + 1 or found >= <uint64_t> INT64_MAX:
        return NULL
    if ORDERBOOK_EIGHT and at - first >= 8:
        lead.text = text
        eight_digits(first, &lead.value)
    value[0] = <int64_t> found
    return at


cdef inline const char* quoted_integer(const char* at, const char* end, Lead* lead, int64_t* value) noexcept nogil:
    """The same, bare or in quotes."""
    if at[0] != c'"':
        return integer(at, end, lead, value)
    at = integer(at + 1, end, lead, value)
    return at + 1 if at != NULL and at[0] == c'"' else NULL


cdef const char* decimal(const char* at, const char* end, int64_t* digits, int* decimals) noexcept nogil:
    """A number of the library's grammar without an exponent, of at most 18 digits; NULL for anything else."""
    cdef const char* first = at
    cdef const char* point
    cdef uint64_t found = 0
    # How long the whole part is can be foreseen, unlike what is behind the point.
    at = few_digits(at, &found)
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    decimals[0] = 0
    if at[0] == c'.':
        point = at + 1
        at = some_digits(point, end, &found)
        decimals[0] = <int>(at - point)
        if at == point or at - first > DIGITS + 1:
            return NULL
    elif at - first > DIGITS:
        return NULL
    if at[0] == c'e' or at[0] == c'E':
        return NULL
    digits[0] = <int64_t> found
    return at


cdef inline const char* quoted_decimal(
    const char* at, const char* end, int64_t* digits, int* decimals
) noexcept nogil:
    """The same, bare or in quotes."""
    if at[0] != c'"':
        return decimal(at, end, digits, decimals)
    at = decimal(at + 1, end, digits, decimals)
    return at + 1 if at != NULL and at[0] == c'"' else NULL


cdef inline const char* usual_row(const char* at, Scan* found, bint is_counted, Row* row) noexcept nogil:
    """Behind a row as nearly all of them look, ``["price","size"]`` or with a sequence; NULL if it is another one."""
    if at[0] != c'[' or at[1] != c'"':
        return NULL
    at = decimal(at + 2, found.stop, &row.price, &row.price_decimals)
    if at == NULL or at[0] != c'"' or at[1] != c',' or at[2] != c'"':
        return NULL
    at = decimal(at + 3, found.stop, &row.size, &row.size_decimals)
    if at == NULL or at[0] != c'"':
        return NULL
    row.sequence = -1
    if is_counted:
        if at[1] != c',' or at[2] != c'"':
            return NULL
        at = integer(at + 3, found.stop, &found.leads[0], &row.sequence)
        if at == NULL or at[0] != c'"':
            return NULL
    return at + 2 if at[1] == c']' else NULL


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


cdef Row* room(Rows* rows, Scan* found) noexcept nogil:
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


cdef inline void note(Scan* found, const char* first, const char* end, Kind kind, int target) noexcept nogil:
    """Take note of where a value stands."""
    cdef Value* value
    if found.value_count < VALUES:
        value = &found.values[found.value_count]
        value.first = first - found.text
        value.end = end - found.text
        value.kind = kind
        value.target = target
    found.value_count += 1


@final
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
        self.time_units = layout.time_units
        kinds = {"price": PRICE, "size": SIZE, "sequence": SEQUENCE}
        if len(layout.row) > COLUMNS:
            raise ValueError("a layout with so many columns in a row cannot be read")
        self.row_length = len(layout.row)
        for place, name in enumerate(layout.row):
            self.row[place] = kinds.get(name, OTHER)
        self.is_usual = layout.row[:2] == ("price", "size") and layout.row[2:] in ((), ("sequence",))
        self.is_counted = len(layout.row) > 2
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
        free(self.last)

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
            if end - at < between or memcmp(at, self.last + behind, between) != 0:
                return False
            at = self._value(at + between, value.kind, value.target, found)
            if at == NULL:
                return False
            behind = value.end
        between = self.last_length - behind
        return end - at == between and memcmp(at, self.last + behind, between) == 0

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
