/* What the programs share that run kernels with checks of every access. */

#include <stdio.h>
#include <stdlib.h>

static float *numbers(size_t number) {
    float *made = malloc(number * sizeof(float));
    for (size_t each = 0; each < number; each++) made[each] = (float)(each % 7) - 3;
    return made;
}
