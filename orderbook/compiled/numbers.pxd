# From text to numbers, and from one scale to another: inline, since every value of a frame comes by.

from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #ifndef ORDERBOOK_NUMBERS
    #define ORDERBOOK_NUMBERS
    static const int64_t ORDERBOOK_TENS[19] = {
        1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL, 10000000000LL,
        100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL, 1000000000000000LL, 10000000000000000LL,
        100000000000000000LL, 1000000000000000000LL
    };
    /* What may be multiplied by them. */
    static const int64_t ORDERBOOK_MOST[19] = {
        999999999999999999LL, 99999999999999999LL, 9999999999999999LL, 999999999999999LL, 99999999999999LL,
        9999999999999LL, 999999999999LL, 99999999999LL, 9999999999LL, 999999999LL, 99999999LL, 9999999LL, 999999LL,
        99999LL, 9999LL, 999LL, 99LL, 9LL, 0LL
    };
    /* Up to eight digits at once: how many of the next eight bytes are digits before the first that is none, and their
       value. Without a branch on the data: lengths of numbers cannot be foreseen. The digits are moved to where the last
       ones of eight would be, zeros before them; then added up in pairs, fours, and all. */
    #if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define ORDERBOOK_EIGHT 1
    /* Digits become their values, and of each byte that is none the highest bit is set. */
    static inline uint64_t orderbook_strange(uint64_t text) {
        return (((text & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | text) & 0x8080808080808080u;
    }
    static inline uint64_t orderbook_sum(uint64_t digits) {
        digits = digits * 2561 >> 8;
        digits = (digits & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
        return (digits & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
    }
    static inline int orderbook_eight_digits(const char *at, uint64_t *value) {
        uint64_t text, strange;
        int count;
        memcpy(&text, at, 8);
        text ^= 0x3030303030303030u;
        strange = orderbook_strange(text);
        count = strange ? __builtin_ctzll(strange) >> 3 : 8;
        /* In two steps, because no shift may be by all 64 bits. */
        *value = orderbook_sum(text << (4 * (8 - count)) << (4 * (8 - count)));
        return count;
    }
    /* A number of less than eight characters, with a point or without: where two bytes that are no digits are among
       eight, and the first one is a point, it is taken out; else it is the end. How many characters; 0: another number. */
    static inline int orderbook_short_decimal(uint64_t text, int64_t *digits, int *decimals) {
        uint64_t strange, next, whole;
        int before, length, has_point;
        text ^= 0x3030303030303030u;
        strange = orderbook_strange(text);
        next = strange & (strange - 1);
        if (__builtin_expect(next == 0, 0)) return 0;
        before = __builtin_ctzll(strange) >> 3;
        whole = (strange ^ (strange - 1)) >> 8;
        has_point = (text >> (8 * before) & 0xFF) == ('.' ^ '0');
        length = has_point ? __builtin_ctzll(next) >> 3 : before;
        *decimals = length - before - has_point;
        if (__builtin_expect((before == 0) | ((before > 1) & !(text & 0xFF)) | (has_point & (*decimals == 0)), 0))
            return 0;
        text = (text & whole) | (text >> 8 & ~whole);
        *digits = (int64_t)orderbook_sum(text << (64 - 8 * (length - has_point)));
        return length;
    }
    /* A length of which most are like the longest one: then whatever stands behind is read before this one was reckoned,
       since the processor foresees the branch. The compiler must not see that both are the same. */
    static inline Py_ssize_t orderbook_foreseen(Py_ssize_t length, Py_ssize_t *last) {
        Py_ssize_t guess = *last;
        if (__builtin_expect(guess == length, 1)) {
            __asm__("" : "+r"(guess));
            return guess;
        }
        if (length > *last) *last = length;
        return length;
    }
    #else
    #define ORDERBOOK_EIGHT 0
    static inline Py_ssize_t orderbook_foreseen(Py_ssize_t length, Py_ssize_t *last) { (void)last; return length; }
    static inline int orderbook_eight_digits(const char *at, uint64_t *value) { (void)at; (void)value; return 0; }
    static inline int orderbook_short_decimal(uint64_t text, int64_t *digits, int *decimals) {
        (void)text; (void)digits; (void)decimals; return 0;
    }
    #endif
    #endif
    """
    const int64_t TENS "ORDERBOOK_TENS"[19]
    const int64_t MOST "ORDERBOOK_MOST"[19]
    int eight_digits "orderbook_eight_digits"(const char* at, uint64_t* value) noexcept nogil
    int short_decimal "orderbook_short_decimal"(uint64_t text, int64_t* digits, int* decimals) noexcept nogil
    Py_ssize_t foreseen "orderbook_foreseen"(Py_ssize_t length, Py_ssize_t* last) noexcept nogil
    bint ORDERBOOK_EIGHT

cdef enum:
    DIGITS = 18        # that fit 63 bits whatever they are

ctypedef struct Lead:  # the first eight digits of a number, as text and what they are worth
    uint64_t text
    uint64_t value
    Py_ssize_t more    # how many digits came behind them at most


cdef inline bint scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil:
    """A number in units of ``10**-scale``, if it can be held exactly."""
    cdef int more = scale - decimals
    # Which decimals a number has cannot be foreseen; that it fits can.
    if 0 <= more <= DIGITS:
        if digits <= MOST[more]:
            raw[0] = digits * TENS[more]
            return True
    return unusually_scaled(digits, decimals, scale, raw)


cdef inline bint unusually_scaled(int64_t digits, int decimals, int scale, int64_t* raw) noexcept nogil:
    """The same where decimals are too many, or digits."""
    while decimals > scale:
        if digits % 10:
            return False
        digits //= 10
        decimals -= 1
    if digits == 0:
        raw[0] = 0
        return True
    if scale - decimals > DIGITS or digits > MOST[scale - decimals]:
        return False
    raw[0] = digits * TENS[scale - decimals]
    return True


cdef inline const char* some_digits(const char* at, const char* end, uint64_t* value) noexcept nogil:
    """Behind the digits that come next, which are appended to a value; too many of them make nonsense of it."""
    cdef uint64_t part = 0
    cdef int count
    while ORDERBOOK_EIGHT and end - at >= 8:
        count = eight_digits(at, &part)
        value[0] = value[0] * <uint64_t> TENS[count] + part
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
    cdef int count
    if ORDERBOOK_EIGHT and end - at >= 8:
        memcpy(&text, at, 8)
        if text == lead.text:
            if end - at >= 16:
                count = eight_digits(at + 8, &found)
                if count < 8:
                    value[0] = <int64_t>(lead.value * <uint64_t> TENS[count] + found)
                    return at + 8 + foreseen(count, &lead.more)
            found = lead.value
            at = few_digits(at + 8, &found)
            return whole(first, at, found, value)
    at = some_digits(at, end, &found)
    if at == first or (first[0] == c'0' and at - first > 1):
        return NULL
    if ORDERBOOK_EIGHT and at - first >= 8:
        lead.text = text
        eight_digits(first, &lead.value)
    return whole(first, at, found, value)


cdef inline const char* whole(const char* first, const char* at, uint64_t found, int64_t* value) noexcept nogil:
    """The end of a whole number, if it can be held."""
    # One digit more than surely fits: times in ns have so many, and 64 bits hold them all.
    if at - first > DIGITS + 1 or found >= <uint64_t> INT64_MAX:
        return NULL
    value[0] = <int64_t> found
    return at


cdef inline const char* quoted_integer(const char* at, const char* end, Lead* lead, int64_t* value) noexcept nogil:
    """The same, bare or in quotes."""
    if at[0] != c'"':
        return integer(at, end, lead, value)
    at = integer(at + 1, end, lead, value)
    return at + 1 if at != NULL and at[0] == c'"' else NULL


cdef inline const char* decimal(const char* at, const char* end, int64_t* digits, int* decimals) noexcept nogil:
    """A number of the library's grammar without an exponent, of at most 18 digits; NULL for anything else."""
    cdef const char* first = at
    cdef const char* point
    cdef uint64_t found = 0
    at = some_digits(at, end, &found)
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


cdef inline const char* usual_decimal(const char* at, int64_t* digits, int* decimals, Py_ssize_t* last) noexcept nogil:
    """The same with at most eight digits before the point and behind it; NULL for anything else.

    There are 17 bytes or more to be read. What stands behind the number is for the caller to look at. One branch
    that can be foreseen: neither how long a number is, nor whether it has a point, is told by those before it.
    """
    cdef uint64_t text
    cdef int length
    memcpy(&text, at, 8)
    length = short_decimal(text, digits, decimals)
    if length:
        return at + (length if last == NULL else foreseen(length, last))
    return longer_decimal(at, digits, decimals)


cdef inline const char* longer_decimal(const char* at, int64_t* digits, int* decimals) noexcept nogil:
    """The same, of more characters."""
    cdef uint64_t whole = 0
    cdef uint64_t part = 0
    cdef int before = eight_digits(at, &whole)
    cdef bint has_point = at[before] == c'.'
    cdef const char* rest = at + before + has_point
    cdef int behind = eight_digits(rest, &part)
    if (before == 0) | ((before > 1) & (at[0] == c'0')) | (has_point & (behind == 0)):
        return NULL
    # Without a point these are more digits of a whole number.
    digits[0] = <int64_t>(whole * <uint64_t> TENS[behind] + part)
    decimals[0] = behind if has_point else 0
    return rest + behind


cdef inline const char* quoted_decimal(
    const char* at, const char* end, int64_t* digits, int* decimals
) noexcept nogil:
    """The same as ``decimal``, bare or in quotes."""
    if at[0] != c'"':
        return decimal(at, end, digits, decimals)
    at = decimal(at + 1, end, digits, decimals)
    return at + 1 if at != NULL and at[0] == c'"' else NULL
