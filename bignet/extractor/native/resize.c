// Pictures of another size as Pillow makes them, to the bit: first across, then down, in whole numbers.
//
// Pictures are (row, column, 4) bytes: red, green, blue, and one of no meaning, as Pillow holds them. Every pixel of a
// result is a weighted sum of some of its row or column; resize.py chooses them.

#include "vectors.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define BYTES 4
// The sum of a pixel's weights is 1 << PRECISION.
#define PRECISION 22
// Sums computed together: enough of them to hide how long one takes.
#define TOGETHER 4
// Pixels of a row that stay in the caches until they are bytes again.
#define SPAN 64

typedef int whole __attribute__((vector_size(LANES * sizeof(int))));
typedef int unaligned_whole __attribute__((vector_size(LANES * sizeof(int)), aligned(sizeof(int)), may_alias));
typedef int pixel __attribute__((vector_size(BYTES * sizeof(int))));
typedef unsigned char bytes __attribute__((vector_size(LANES), aligned(1), may_alias));

// One of the two passes. See resize.py, which fills it in.
typedef struct {
    const unsigned char *input;
    const int *first;      // (n_out) where the pixels of each sum begin
    const int *weights;    // (n_out, taps); for `across` each as often as a pixel has bytes
    unsigned char *output; // (rows, n_out, 4) of `across`, (n_out, wanted, 3) of `down`
    int rows, columns;     // of the input
    int taps, n_out;       // pixels of a sum, sums in a row or column
    int wanted;            // columns of `down`'s result
} pass;

int multiple_of_taps(void) { return LANES / BYTES; }           // of `across`
int multiple_of_columns(void) { return TOGETHER * LANES / BYTES; } // of the input of `down`

INLINE whole widened(const unsigned char *from) {
#if defined(__AVX512F__) && LANES == 16
    return (whole)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
#elif defined(__AVX2__) && LANES == 8
    return (whole)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
    return __builtin_convertvector(*(const bytes *)from, whole);
#endif
}

INLINE void narrow(const int *restrict sums, int number, unsigned char *restrict to) {
    for (int each = 0; each < number; each++) {
        const int value = (sums[each] + (1 << (PRECISION - 1))) >> PRECISION;
        to[each] = smaller(larger(value, 0), 255);
    }
}

INLINE pixel sum_of(whole pixels) {
    const union {
        whole all;
        pixel each[LANES / BYTES];
    } of = {pixels};
    pixel sum = of.each[0];
    for (int each = 1; each < LANES / BYTES; each++) sum += of.each[each];
    return sum;
}

// Every row on its own, TOGETHER of them side by side.
void across(const pass *p) {
    const size_t row_size = (size_t)p->columns * BYTES;
    const int taps = p->taps * BYTES;
    for (int row = 0; row < p->rows; row += TOGETHER) {
        const int n_rows = smaller(TOGETHER, p->rows - row);
        const unsigned char *from[TOGETHER];
        for (int each = 0; each < TOGETHER; each++)
            from[each] = p->input + (row + smaller(each, n_rows - 1)) * row_size;
        for (int start = 0; start < p->n_out; start += SPAN) {
            const int n = smaller(SPAN, p->n_out - start);
            pixel sums[TOGETHER][SPAN];
            for (int out = 0; out < n; out++) {
                const int *weights = p->weights + (size_t)(start + out) * taps;
                const size_t place = (size_t)p->first[start + out] * BYTES;
                whole sum[TOGETHER] = {};
                for (int tap = 0; tap < taps; tap += LANES) {
                    const whole weight = *(const unaligned_whole *)(weights + tap);
#pragma GCC unroll 4
                    for (int each = 0; each < TOGETHER; each++) sum[each] += widened(from[each] + place + tap) * weight;
                }
#pragma GCC unroll 4
                for (int each = 0; each < TOGETHER; each++) sums[each][out] = sum_of(sum[each]);
            }
            unsigned char *to = p->output + ((size_t)row * p->n_out + start) * BYTES;
            for (int each = 0; each < n_rows; each++, to += (size_t)p->n_out * BYTES)
                narrow((const int *)sums[each], n * BYTES, to);
        }
    }
}

// TOGETHER vectors of a row at a time; the fourth byte of a pixel is left out.
void down(const pass *p) {
    const size_t row_size = (size_t)p->columns * BYTES;
    const int span = multiple_of_columns();
    for (int out = 0; out < p->n_out; out++) {
        const int *weights = p->weights + (size_t)out * p->taps;
        for (int column = 0; column < p->wanted; column += span) {
            const unsigned char *from = p->input + p->first[out] * row_size + (size_t)column * BYTES;
            whole sum[TOGETHER] = {};
            for (int tap = 0; tap < p->taps; tap++, from += row_size) {
                const whole weight = (whole){} + weights[tap];
#pragma GCC unroll 4
                for (int each = 0; each < TOGETHER; each++) sum[each] += widened(from + each * LANES) * weight;
            }
            int sums[TOGETHER * LANES];
            unsigned char pixels[TOGETHER * LANES];
            memcpy(sums, sum, sizeof sums);
            narrow(sums, TOGETHER * LANES, pixels);
            unsigned char *to = p->output + ((size_t)out * p->wanted + column) * 3;
            for (int each = 0; each < smaller(span, p->wanted - column); each++)
                memcpy(to + each * 3, pixels + each * BYTES, 3);
        }
    }
}
