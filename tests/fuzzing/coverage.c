/* Which places of the compiled twin an input reaches: what the compiler calls at every one, and what is asked after it.
 *
 * One source, two uses. With MODULE it is linked into a module, and turns a place of that module into a number that is
 * the same in every process. Without, it is the one library that all of them tell.
 */
#include <stdint.h>

#ifdef MODULE

#define STRIDE (1u << 19)

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
void fuzzing_reached(uint32_t place);

__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void)
{
    uintptr_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start;
    fuzzing_reached(MODULE * STRIDE + (uint32_t)(place % STRIDE));
}

#else

#define PLACES (1u << 23)
#define REACHED_MAX (1u << 16)

static uint8_t counts[PLACES];
static uint8_t known[PLACES];
static uint32_t reached[REACHED_MAX];
static uint32_t reached_count;
static uint32_t known_count;

void fuzzing_reached(uint32_t place)
{
    uint8_t *count = &counts[place % PLACES];
    if (*count == 0) {
        if (reached_count == REACHED_MAX)
            return;
        reached[reached_count++] = place % PLACES;
    }
    if (*count < 255)
        ++*count;
}

/* How often is told in eight steps: once, twice, three times, up to 7, 15, 31, 127, more. */
static uint8_t step_of(uint8_t count)
{
    return count < 4 ? 1u << (count - 1) : count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
}

/* What has been reached since the last call is known from now on; whether something of it is new. */
int fuzzing_news(void)
{
    int news = 0;
    for (uint32_t number = 0; number < reached_count; ++number) {
        uint32_t place = reached[number];
        uint8_t step = step_of(counts[place]);
        if (!(known[place] & step)) {
            known_count += known[place] == 0;
            known[place] |= step;
            news = 1;
        }
        counts[place] = 0;
    }
    reached_count = 0;
    return news;
}

/* How many places were ever reached. */
uint32_t fuzzing_known(void)
{
    return known_count;
}

#endif
