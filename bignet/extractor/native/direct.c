// Convolutions as sums of products of matrices, results staying in registers until bias, sum and activation are done.
//
// Maps are (image, row, column, channel), so what a filter's row reads is one run of numbers. A result is a product of
// the runs it reads and a panel of filters; pixels of the result go through in blocks whose inputs stay in the caches.
// Where a filter reaches over the border, what it reads is copied first.

#include "vectors.h"

// Pixels worked on at a time: what they read fits a core's cache.
#define BLOCK 48
#define LARGEST_TAPS 16

// One convolution of a batch, in float32. See direct.py, which fills it in.
typedef struct {
    const float *input;   // (images, rows, columns, channels_in)
    const float *filters; // (panels, taps_down, taps_across * channels_in, PANEL)
    const float *bias;    // (channels_out), then zeros up to a whole panel
    float *output;        // (images, rows_out, columns_out, channels_out), pixels `apart` numbers apart
    int rows, columns, channels_in, pad_rows, pad_columns;
    int taps_down, taps_across, stride_down, stride_across;
    int rows_out, columns_out, channels_out, apart;
    int activation;
    int add; // whether results are added to what is in the output
} convolution;

int block(void) { return BLOCK; }
int largest_taps(void) { return LARGEST_TAPS; }

typedef const float *runs[LARGEST_TAPS][BLOCK + ROWS];

// What a filter at the border reads, zeros where there is no map.
INLINE void copy_window(const convolution *c, int image, int row, int column, float *to) {
    for (int y = row; y < row + c->taps_down; y++)
        for (int x = column; x < column + c->taps_across; x++, to += c->channels_in) {
            const size_t pixel = ((size_t)image * c->rows + y) * c->columns + x, bytes = c->channels_in * sizeof(float);
            if (y >= 0 && y < c->rows && x >= 0 && x < c->columns)
                memcpy(to, c->input + pixel * c->channels_in, bytes);
            else
                memset(to, 0, bytes);
        }
}

// Where the runs of a block's pixels begin; those of the rows beyond its end are those of its last pixel.
INLINE void find_runs(const convolution *c, int first, int n_pixels, int n_rows, runs from, float *windows) {
    const int run = c->taps_across * c->channels_in;
    int column_out = first % c->columns_out, row_out = first / c->columns_out % c->rows_out;
    int image = first / c->columns_out / c->rows_out;
    for (int pixel = 0; pixel < n_pixels; pixel++) {
        const int row = row_out * c->stride_down - c->pad_rows, column = column_out * c->stride_across - c->pad_columns;
        const int inside = row >= 0 && column >= 0 && row + c->taps_down <= c->rows &&
                           column + c->taps_across <= c->columns;
        const float *start = c->input;
        size_t apart = (size_t)c->columns * c->channels_in;
        if (inside) {
            start += (((size_t)image * c->rows + row) * c->columns + column) * c->channels_in;
        } else {
            copy_window(c, image, row, column, windows);
            start = windows, apart = run;
            windows += (size_t)c->taps_down * run;
        }
        for (int y = 0; y < c->taps_down; y++) from[y][pixel] = start + y * apart;
        if (++column_out == c->columns_out) {
            column_out = 0;
            if (++row_out == c->rows_out) row_out = 0, image++;
        }
    }
    for (int y = 0; y < c->taps_down; y++)
        for (int pixel = n_pixels; pixel < n_rows; pixel++) from[y][pixel] = from[y][n_pixels - 1];
}

// `rows` pixels times a panel: PANEL channels of the first `valid` of them. Meanwhile `ahead` is fetched.
INLINE void multiply(const convolution *c, int rows, int first_row, runs from, const float *filters, float *to,
                     int valid, int channel, const float *ahead, int step) {
    vector sum[ROWS][2];
    const vector bias_left = load(c->bias + channel), bias_right = load(c->bias + channel + LANES);
    for (int row = 0; row < rows; row++) sum[row][0] = bias_left, sum[row][1] = bias_right;
    const int run = c->taps_across * c->channels_in;
    for (int y = 0; y < c->taps_down; y++) {
        const float *pixel[ROWS];
        for (int row = 0; row < rows; row++) pixel[row] = from[y][first_row + row];
        for (int k = 0; k < run; k++, filters += PANEL, ahead += step) {
            const vector left = load(filters), right = load(filters + LANES);
            __builtin_prefetch(ahead);
#pragma GCC unroll 12
            for (int row = 0; row < rows; row++) {
                const float value = pixel[row][k];
                sum[row][0] += value * left;
                sum[row][1] += value * right;
            }
        }
    }
    const int both = channel + PANEL <= c->channels_out;
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++) {
        if (row >= valid) break;
        float *result = to + (size_t)row * c->apart + channel;
        if (c->add) {
            sum[row][0] += load(result);
            if (both) sum[row][1] += load(result + LANES);
        }
        store(result, activated(sum[row][0], c->activation));
        if (both) store(result + LANES, activated(sum[row][1], c->activation));
    }
}

// Pixels `first_pixel` up to `end_pixel` of the batch's results. Several threads may share one convolution, each with
// room for the windows of a block: BLOCK * taps_down * taps_across * channels_in numbers.
void convolve(const convolution *c, int first_pixel, int end_pixel, float *windows) {
    const size_t panel_size = (size_t)c->taps_down * c->taps_across * c->channels_in * PANEL;
    for (int start = first_pixel; start < end_pixel; start += BLOCK) {
        const int n_pixels = smaller(BLOCK, end_pixel - start);
        const shares how = shared_out(n_pixels);
        runs from;
        find_runs(c, start, n_pixels, n_pixels + rows_missing(how, n_pixels), from, windows);
        const float *filters = c->filters;
        const int step = PANEL / how.number > 0 ? PANEL / how.number : 1;
        for (int channel = 0; channel < c->channels_out; channel += PANEL, filters += panel_size) {
            const float *ahead = filters + panel_size;
            for (int each = 0, row = 0; each < how.number; row += rows_of(how, each), each++) {
                float *to = c->output + (size_t)(start + row) * c->apart;
                if (rows_of(how, each) == ROWS)
                    multiply(c, ROWS, row, from, filters, to, n_pixels - row, channel, ahead, step);
                else
                    multiply(c, ROWS - 1, row, from, filters, to, n_pixels - row, channel, ahead, step);
                ahead += panel_size / PANEL * step;
            }
        }
    }
}
