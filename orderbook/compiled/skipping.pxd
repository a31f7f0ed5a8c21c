# What stands between the values of a message: white space, texts, and whatever is of no interest.

from libc.string cimport memcmp

cdef enum:
    NESTING = 16       # as venues.wire.NESTING_MAX
    KEYS = 32          # of an object


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


cdef inline const char* skipped(const char* at, int depth) noexcept nogil:
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
