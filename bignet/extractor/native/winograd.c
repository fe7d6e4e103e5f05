// Convolutions of stride 1 with square filters of 3 or 5, by Winograd's minimal filtering: Lavin and Gray, "Fast
// Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.
//
// The output is cut into tiles of 4 x 4. What a tile reads (6 x 6, or 8 x 8 for filters of 5) is transformed; at each
// of its 36 or 64 points, tiles and filters are multiplied as matrices, channels times channels; products are
// transformed back. That is 36 multiplications for 16 results in place of 144 (64 in place of 400). Tiles go through
// all three steps by the block, which stays in the caches. Maps are (image, row, column, channel), in float32.
//
// Nothing here is shared between calls, and what a tile gives depends on nothing but what it reads.

#include "vectors.h"

#define OUT 4
#define LARGEST_SIDE 8
// Tiles, and channels of the result, worked on at a time: what is between the steps fits a core's cache.
#define BLOCK 48
#define BLOCK_CHANNELS 64
// Numbers between one point and the next, lest those be a multiple of 4096 bytes apart, of which caches keep few.
#define APART 16

_Static_assert(BLOCK % ROWS == 0 && BLOCK_CHANNELS % PANEL == 0, "a block is filled up to whole products");

// One convolution of a batch. See winograd.py, which fills it in.
typedef struct {
    const float *input;    // (images, rows, columns, channels_in)
    const float *filters;  // in the order they are read: (blocks of panels, side * side, panels, channels_in, PANEL)
    const float *bias;     // (channels_out)
    const float *zeros;    // (channels_in): what lies outside a map
    float *output;         // (images, rows_out, columns_out, channels_out), pixels `apart` numbers apart
    int taps, rows, columns, channels_in, pad_rows, pad_columns;
    int rows_out, columns_out, channels_out, apart;
    int activation;
    int add; // whether results are added to what is in the output
} convolution;

int block(void) { return BLOCK; }
int block_channels(void) { return BLOCK_CHANNELS; }

// Numbers of a block at one point.
INLINE size_t point_size(int channels) { return (size_t)BLOCK * channels + APART; }

// Numbers of room that a call needs.
size_t scratch_size(int taps, int channels_in) {
    const size_t side = taps + OUT - 1;
    return side * side * (point_size(channels_in) + point_size(BLOCK_CHANNELS));
}

// Points 0, 1, -1, 2, -2 and infinity.
INLINE void transform_line_6(vector to[], const vector d[]) {
    const vector even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const vector even_2 = d[4] - d[2], odd_2 = 2 * (d[3] - d[1]);
    to[0] = 4 * d[0] - 5 * d[2] + d[4];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even_2 + odd_2;
    to[4] = even_2 - odd_2;
    to[5] = 4 * d[1] - 5 * d[3] + d[5];
}

// Points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
INLINE void transform_line_8(vector to[], const vector d[]) {
    const vector even = d[2] - 4.25f * d[4] + d[6], odd = d[1] - 4.25f * d[3] + d[5];
    const vector even_2 = .25f * d[2] - 1.25f * d[4] + d[6], odd_2 = .5f * d[1] - 2.5f * d[3] + 2 * d[5];
    const vector even_half = 4 * d[2] - 5 * d[4] + d[6], odd_half = 2 * d[1] - 2.5f * d[3] + .5f * d[5];
    to[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even_2 + odd_2;
    to[4] = even_2 - odd_2;
    to[5] = even_half + odd_half;
    to[6] = even_half - odd_half;
    to[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
}

INLINE void transform_line(int side, vector to[], const vector d[]) {
    side == 6 ? transform_line_6(to, d) : transform_line_8(to, d);
}

// The values of four polynomials' coefficients back from their values at the points.
INLINE void inverse_transform(int side, vector to[OUT], const vector m[]) {
    const vector sum = m[1] + m[2], difference = m[1] - m[2], sum_2 = m[3] + m[4], difference_2 = m[3] - m[4];
    to[0] = m[0] + sum + sum_2;
    to[1] = difference + 2 * difference_2;
    to[2] = sum + 4 * sum_2;
    to[3] = difference + 8 * difference_2 + m[side - 1];
    if (side == 8) {
        const vector sum_half = m[5] + m[6], difference_half = m[5] - m[6];
        to[0] += sum_half;
        to[1] += .5f * difference_half;
        to[2] += .25f * sum_half;
        to[3] += .125f * difference_half;
    }
}

// Where a tile stands.
typedef struct {
    int image, row, column; // of its first result
} place;

INLINE place place_of(const convolution *c, int tile) {
    const int across = (c->columns_out + OUT - 1) / OUT, down = (c->rows_out + OUT - 1) / OUT;
    return (place){tile / (across * down), tile / across % down * OUT, tile % across * OUT};
}

// What a tile reads -> its numbers at each point: (side * side, block, channels_in).
INLINE void transform_input(const convolution *c, int side, int tile, float *to) {
    const place at = place_of(c, tile);
    const float *from[LARGEST_SIDE][LARGEST_SIDE];
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const int row = at.row - c->pad_rows + y, column = at.column - c->pad_columns + x;
            const int inside = row >= 0 && row < c->rows && column >= 0 && column < c->columns;
            const size_t pixel = ((size_t)at.image * c->rows + row) * c->columns + column;
            from[y][x] = inside ? c->input + pixel * c->channels_in : c->zeros;
        }
    const size_t point = point_size(c->channels_in);
    for (int channel = 0; channel < c->channels_in; channel += LANES) {
        vector half[LARGEST_SIDE][LARGEST_SIDE], line[LARGEST_SIDE], done[LARGEST_SIDE];
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) line[x] = load(from[y][x] + channel);
            transform_line(side, half[y], line);
        }
        for (int x = 0; x < side; x++) {
            for (int y = 0; y < side; y++) line[y] = half[y][x];
            transform_line(side, done, line);
            for (int y = 0; y < side; y++) store(to + (size_t)(y * side + x) * point + channel, done[y]);
        }
    }
}

// (rows, channels) x (channels, PANEL) -> (rows, PANEL), rows of the result `width` apart. Meanwhile `ahead` is
// fetched, `step` numbers a channel.
INLINE void multiply(int rows, const float *tiles, const float *filters, float *to, int channels, int width,
                     const float *ahead, int step) {
    vector sum[ROWS][2];
    for (int row = 0; row < rows; row++) sum[row][0] = sum[row][1] = (vector){0};
    for (int channel = 0; channel < channels; channel++) {
        const float *filter = filters + (size_t)channel * PANEL;
        const vector left = load(filter), right = load(filter + LANES);
        __builtin_prefetch(ahead + (size_t)channel * step);
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            const float value = tiles[(size_t)row * channels + channel];
            sum[row][0] += value * left;
            sum[row][1] += value * right;
        }
    }
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++) {
        store(to + (size_t)row * width, sum[row][0]);
        store(to + (size_t)row * width + LANES, sum[row][1]);
    }
}

// A block's tiles at one point times a panel of filters.
INLINE void multiply_block(shares how, const float *tiles, const float *filters, float *to, int channels, int width) {
    const int step = PANEL / how.number > 0 ? PANEL / how.number : 1;
    const float *ahead = filters + (size_t)channels * PANEL;
    for (int each = 0; each < how.number; each++) {
        const int rows = rows_of(how, each);
        if (rows == ROWS)
            multiply(ROWS, tiles, filters, to, channels, width, ahead, step);
        else
            multiply(ROWS - 1, tiles, filters, to, channels, width, ahead, step);
        tiles += (size_t)rows * channels;
        to += (size_t)rows * width;
        ahead += (size_t)channels * step;
    }
}

// A tile's products, (side * side, block, width) -> its part of `channels` channels of the output.
INLINE void transform_output(const convolution *c, int side, int tile, const float *from, int first, int channels,
                             int width) {
    const place at = place_of(c, tile);
    const int down = smaller(OUT, c->rows_out - at.row), across = smaller(OUT, c->columns_out - at.column);
    const size_t pixel = ((size_t)at.image * c->rows_out + at.row) * c->columns_out + at.column;
    const size_t point = point_size(width);
    float *to = c->output + pixel * c->apart + first;
    for (int channel = 0; channel < channels; channel += LANES) {
        vector half[LARGEST_SIDE][OUT], line[LARGEST_SIDE], done[OUT];
        const vector bias = load(c->bias + first + channel);
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) line[x] = load(from + (size_t)(y * side + x) * point + channel);
            inverse_transform(side, half[y], line);
        }
        for (int x = 0; x < across; x++) {
            for (int y = 0; y < side; y++) line[y] = half[y][x];
            inverse_transform(side, done, line);
            for (int y = 0; y < down; y++) {
                float *result = to + ((size_t)y * c->columns_out + x) * c->apart + channel;
                const vector value = done[y] + bias;
                store(result, activated(c->add ? value + load(result) : value, c->activation));
            }
        }
    }
}

// Tiles that fill up the last rows of a block: their products are not looked at, but are to be numbers.
INLINE void zero_fill(const convolution *c, int side, int n_tiles, float *in) {
    const shares how = shared_out(n_tiles);
    const size_t missing = rows_missing(how, n_tiles);
    for (int point = 0; point < side * side; point++)
        memset(in + point * point_size(c->channels_in) + (size_t)n_tiles * c->channels_in, 0,
               missing * c->channels_in * sizeof(float));
}

INLINE void run(const convolution *c, int side, int first_tile, int end_tile, float *scratch) {
    const int panels = (c->channels_out + PANEL - 1) / PANEL;
    const size_t point_in = point_size(c->channels_in), panel_size = (size_t)c->channels_in * PANEL;
    float *in = scratch, *products = scratch + side * side * point_in;
    for (int start = first_tile; start < end_tile; start += BLOCK) {
        const int n_tiles = smaller(BLOCK, end_tile - start);
        for (int tile = 0; tile < n_tiles; tile++)
            transform_input(c, side, start + tile, in + (size_t)tile * c->channels_in);
        zero_fill(c, side, n_tiles, in);
        for (int first = 0; first < panels; first += BLOCK_CHANNELS / PANEL) {
            const int now = smaller(BLOCK_CHANNELS / PANEL, panels - first), width = now * PANEL;
            const size_t point_out = point_size(width);
            const float *filters = c->filters + (size_t)first * side * side * panel_size;
            for (int point = 0; point < side * side; point++)
                for (int panel = 0; panel < now; panel++, filters += panel_size)
                    multiply_block(shared_out(n_tiles), in + point * point_in, filters,
                                   products + point * point_out + (size_t)panel * PANEL, c->channels_in, width);
            const int channels = smaller(width, c->channels_out - first * PANEL);
            for (int tile = 0; tile < n_tiles; tile++)
                transform_output(c, side, start + tile, products + (size_t)tile * width, first * PANEL, channels,
                                 width);
        }
    }
}

// Tiles `first_tile` up to `end_tile` of the batch. Several threads may share one convolution, each with a scratch of
// scratch_size(taps, channels_in) numbers.
void convolve(const convolution *c, int first_tile, int end_tile, float *scratch) {
    c->taps == 3 ? run(c, 6, first_tile, end_tile, scratch) : run(c, 8, first_tile, end_tile, scratch);
}
