// The largest number of each channel in windows of a map.
//
// Maps are (image, row, column, channel), in float32. What lies outside a map is passed over. NaN is larger than
// anything, as for torch.

#include "vectors.h"

#include <math.h>

// One max pooling of a batch. See max_pool.py, which fills it in.
typedef struct {
    const float *input; // (images, rows, columns, channels)
    float *output;      // (images, rows_out, columns_out, channels)
    int rows, columns, channels, pad_rows, pad_columns;
    int taps_down, taps_across, stride_down, stride_across;
    int rows_out, columns_out;
} pooling;

INLINE vector larger_of(vector a, vector b) {
    const mask first = (a > b) | (a != a);
    return (vector)(((mask)a & first) | ((mask)b & ~first));
}

// A window's pixels, `rows` of `columns` each -> the largest of every channel.
INLINE void reduce(const float *from, int rows, int columns, size_t row_size, int channels, float *to) {
    for (int channel = 0; channel < channels; channel += LANES) {
        vector largest = (vector){0} - INFINITY;
        for (int y = 0; y < rows; y++)
            for (int x = 0; x < columns; x++)
                largest = larger_of(load(from + y * row_size + (size_t)x * channels + channel), largest);
        store(to + channel, largest);
    }
}

// Rows `first_row` up to `end_row` of all the images' results.
void pool(const pooling *p, int first_row, int end_row) {
    const size_t row_size = (size_t)p->columns * p->channels;
    for (int each = first_row; each < end_row; each++) {
        const int image = each / p->rows_out, row = each % p->rows_out * p->stride_down - p->pad_rows;
        const int top = larger(row, 0), bottom = smaller(row + p->taps_down, p->rows);
        for (int column_out = 0; column_out < p->columns_out; column_out++) {
            const int column = column_out * p->stride_across - p->pad_columns;
            const int left = larger(column, 0), right = smaller(column + p->taps_across, p->columns);
            const float *from = p->input + ((size_t)image * p->rows + top) * row_size + (size_t)left * p->channels;
            float *to = p->output + ((size_t)each * p->columns_out + column_out) * p->channels;
            if (bottom - top == 3 && right - left == 3)
                reduce(from, 3, 3, row_size, p->channels, to);
            else
                reduce(from, bottom - top, right - left, row_size, p->channels, to);
        }
    }
}
