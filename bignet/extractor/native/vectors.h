// Vectors of this processor, and products of small matrices in its registers.

#include <stddef.h>
#include <string.h>

// Lanes of a vector, and how many rows of two vectors of results stay in registers. Tests give those of others.
#if defined(LANES) && defined(ROWS)
#elif defined(__AVX512F__)
#define LANES 16
#define ROWS 12
#elif defined(__AVX2__)
#define LANES 8
#define ROWS 6
#else
#define LANES 4
#define ROWS 8
#endif
// Channels of the result that are computed together.
#define PANEL (2 * LANES)

typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
typedef int mask __attribute__((vector_size(LANES * sizeof(int))));
typedef float unaligned __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vector load(const float *from) { return *(const unaligned *)from; }
INLINE void store(float *to, vector values) { *(unaligned *)to = values; }
INLINE int smaller(int a, int b) { return a < b ? a : b; }
INLINE int larger(int a, int b) { return a > b ? a : b; }

// What follows a convolution; the numbers of kernels.py.
enum activation { NONE, RELU, RELU6 };

INLINE vector activated(vector v, int kind) {
    if (kind != NONE) v = (vector)((mask)v & ~(v < 0)); // NaN stays NaN
    if (kind == RELU6) {
        const vector six = (vector){0} + 6;
        const mask above = v > six;
        v = (vector)(((mask)v & ~above) | ((mask)six & above));
    }
    return v;
}

// How the rows of a block are shared out: `full` products of ROWS, the others of one less.
typedef struct {
    int number, full;
} shares;

INLINE shares shared_out(int rows) {
    const int number = (rows + ROWS - 1) / ROWS, full = rows - number * (ROWS - 1);
    return (shares){number, full < 0 ? 0 : full};
}

INLINE int rows_of(shares how, int each) { return each < how.full ? ROWS : ROWS - 1; }

// Rows that are computed beyond the last one.
INLINE int rows_missing(shares how, int rows) { return how.number * (ROWS - 1) + how.full - rows; }

// Of the sources that this was compiled from; see native/__init__.py.
#ifndef MADE_OF
#define MADE_OF ""
#endif
const char *made_of(void) { return MADE_OF; }

int lanes(void) { return LANES; }
int panel(void) { return PANEL; }
