/* Resizes pictures of odd sizes, in memory of just the size it may touch; compiled with checks of every access. */

#include SOURCE

#include "accesses.h"

static void *room(size_t n_bytes) { return memset(malloc(n_bytes), 200, n_bytes); }

static int *starts(int n_out, int size, int taps) {
    int *made = malloc(n_out * sizeof(int));
    for (int each = 0; each < n_out; each++) made[each] = (size - taps) * each / larger(n_out - 1, 1);
    return made;
}

static int *weights(size_t number, int taps) {
    int *made = malloc(number * sizeof(int));
    for (size_t each = 0; each < number; each++) made[each] = (1 << PRECISION) / taps;
    return made;
}

static void check(int rows, int columns, int taps_across, int taps_down, int rows_out, int columns_out) {
    const int multiple = multiple_of_columns(), n_out = (columns_out + multiple - 1) / multiple * multiple;
    if (taps_across > columns || taps_down > rows) return;
    pass one = {.input = room((size_t)rows * columns * BYTES), .first = starts(n_out, columns, taps_across),
                .weights = weights((size_t)n_out * taps_across * BYTES, taps_across),
                .output = room((size_t)rows * n_out * BYTES), .rows = rows, .columns = columns,
                .taps = taps_across, .n_out = n_out};
    across(&one);
    pass other = {.input = one.output, .first = starts(rows_out, rows, taps_down),
                  .weights = weights((size_t)rows_out * taps_down, taps_down),
                  .output = room((size_t)rows_out * columns_out * 3), .rows = rows, .columns = n_out,
                  .taps = taps_down, .n_out = rows_out, .wanted = columns_out};
    down(&other);
    free((void *)one.input), free((void *)one.first), free((void *)one.weights), free(one.output);
    free((void *)other.first), free((void *)other.weights), free(other.output);
}

int main(void) {
    int number = 0;
    for (int rows = 1; rows < 12; rows += 1 + rows / 4)
        for (int columns = 1; columns < 150; columns += 1 + columns / 2)
            for (int taps = 1; taps < 4; taps++)
                for (int out = 1; out < 90; out += 1 + out, number++)
                    check(rows, columns, taps * multiple_of_taps(), taps, out / 2 + 1, out);
    printf("%d kinds of pictures\n", number);
    return 0;
}
