/* Runs kernels on maps of odd sizes, in memory of just the size they may touch, with checks of every access. */

#include SOURCE

#include "accesses.h"

static int whole(int number, int of) { return (number + of - 1) / of * of; }

static void check(int side, int pad, int taps, int stride, int channels_in, int channels_out) {
    const int out = (side + 2 * pad - taps) / stride + 1, images = 2, padded = whole(channels_out, PANEL);
    const int apart = channels_out + side % 3 * LANES; /* others' channels lie between */
    if (side + 2 * pad < taps) return;
    float *input = numbers((size_t)images * side * side * channels_in);
    float *output = numbers((size_t)images * out * out * apart);
    convolution work = {.input = input, .output = output, .rows = side, .columns = side, .channels_in = channels_in,
                        .pad_rows = pad, .pad_columns = pad, .rows_out = out, .columns_out = out,
                        .channels_out = channels_out, .apart = apart, .activation = RELU6, .add = side % 2};
#ifdef OUT
    float *filters = numbers((size_t)(taps + 3) * (taps + 3) * channels_in * padded), *bias = numbers(channels_out);
    float *zeros = calloc(channels_in, sizeof(float)), *scratch = numbers(scratch_size(taps, channels_in));
    const int tiles = images * whole(out, OUT) / OUT * (whole(out, OUT) / OUT);
    work.taps = taps, work.zeros = zeros;
#else
    float *filters = numbers((size_t)taps * taps * channels_in * padded), *bias = numbers(padded);
    float *zeros = NULL, *scratch = numbers((size_t)BLOCK * taps * taps * channels_in);
    const int tiles = images * out * out;
    work.taps_down = work.taps_across = taps, work.stride_down = work.stride_across = stride;
#endif
    work.filters = filters, work.bias = bias;
    convolve(&work, 0, tiles / 2, scratch);
    convolve(&work, tiles / 2, tiles, scratch);
    free(input), free(output), free(filters), free(bias), free(zeros), free(scratch);
}

int main(void) {
    int number = 0;
    for (int side = 1; side < 24; side += 1 + side / 6)
        for (int pad = 0; pad < 3; pad++)
            for (int channels = LANES; channels <= 5 * LANES; channels += 2 * LANES, number++) {
#ifdef OUT
                check(side, pad, 3, 1, channels, 6 * LANES - channels);
                check(side, pad, 5, 1, channels, 6 * LANES - channels);
#else
                check(side, pad, 1, 1, channels - 1, 6 * LANES - channels);
                check(side, pad, 3, 2, channels + 3, 6 * LANES - channels);
                check(side, pad, 7, 4, 3, 6 * LANES - channels);
#endif
            }
    printf("%d kinds of maps\n", number);
    return 0;
}
