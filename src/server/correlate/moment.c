// SPDX-License-Identifier: Apache-2.0
#include "server/correlate/moment.h"

#include "base/clock.h"

static bool is_whole_second(int64_t at)
{
    return at % PT_NS_PER_S == 0;
}

bool pt_moment_is_later(const struct pt_moment *a, const struct pt_moment *b)
{
    if (a->at == 0 || b->at == 0)
        return a->at != 0;
    if (!a->is_of_node || !b->is_of_node)
        return a->order > b->order;
    int64_t a_at = a->at, b_at = b->at;
    if (is_whole_second(a_at) || is_whole_second(b_at)) {
        a_at /= PT_NS_PER_S;
        b_at /= PT_NS_PER_S;
    }
    return a_at != b_at ? a_at > b_at : a->order > b->order;
}
