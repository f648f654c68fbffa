// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/speeds.h"

#include <math.h>

#define CLASSES_PER_OCTAVE 8

static size_t class_of(double bytes_per_second)
{
    if (bytes_per_second < 1)
        return 0;
    double octaves = log2(bytes_per_second) * CLASSES_PER_OCTAVE;
    return octaves < PT_SPEED_CLASSES - 1 ? 1 + (size_t)octaves : PT_SPEED_CLASSES - 1;
}

static double speed_of(size_t speed_class)
{
    return speed_class == 0 ? 0 : exp2(((double)speed_class - 0.5) / CLASSES_PER_OCTAVE);
}

void pt_speeds_add(struct pt_speeds *speeds, double bytes_per_second)
{
    size_t speed_class = class_of(bytes_per_second);
    if (speeds->count == 0 || speed_class < speeds->lowest)
        speeds->lowest = speed_class;
    speeds->counts[speed_class]++;
    speeds->count++;
}

struct pt_other_speed pt_speeds_of_others(const struct pt_speeds *speeds, double bytes_per_second)
{
    size_t own = class_of(bytes_per_second), below = 0;
    struct pt_other_speed others = {.count = speeds->count};
    bool is_among = speeds->counts[own] > 0;
    if (is_among)
        others.count--;
    if (others.count == 0)
        return others;
    for (size_t i = speeds->lowest; i < PT_SPEED_CLASSES; i++) {
        below += speeds->counts[i] - (is_among && i == own);
        if (2 * below < others.count)
            continue;
        others.median = speed_of(i);
        break;
    }
    return others;
}
