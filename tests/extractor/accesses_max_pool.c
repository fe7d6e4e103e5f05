/* Pools maps of odd sizes, in memory of just the size it may touch; compiled with checks of every access. */

#include SOURCE

#include "accesses.h"

static void check(int side, int pad, int taps, int stride, int channels) {
    if (side + 2 * pad < taps || 2 * pad > taps) return;
    const int out = (side + 2 * pad - taps + stride - 1) / stride + 1, images = 2; /* rounded up */
    const int rows = (out - 1) * stride >= side + pad ? out - 1 : out;
    float *input = numbers((size_t)images * side * side * channels);
    float *output = numbers((size_t)images * rows * rows * channels);
    const pooling work = {.input = input, .output = output, .rows = side, .columns = side, .channels = channels,
                          .pad_rows = pad, .pad_columns = pad, .taps_down = taps, .taps_across = taps,
                          .stride_down = stride, .stride_across = stride, .rows_out = rows, .columns_out = rows};
    pool(&work, 0, rows);
    pool(&work, rows, images * rows);
    free(input), free(output);
}

int main(void) {
    int number = 0;
    for (int side = 1; side < 24; side += 1 + side / 6)
        for (int pad = 0; pad < 3; pad++)
            for (int stride = 1; stride < 4; stride++)
                for (int taps = 1; taps < 6; taps++, number++) check(side, pad, taps, stride, 3 * LANES);
    printf("%d kinds of maps\n", number);
    return 0;
}
