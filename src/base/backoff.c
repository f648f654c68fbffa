// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

#include "base/clock.h"

#define FIRST_NS (800 * PT_NS_PER_MS)
#define LONGEST_NS (12 * PT_NS_PER_S) // so that the second try after an outage is within 30 s
#define GOOD_NS (120 * PT_NS_PER_S)
#define FIRST_REFUSED_NS (5 * PT_NS_PER_S)
#define LONGEST_REFUSED_NS (600 * PT_NS_PER_S)

void pt_backoff_good(struct pt_backoff *backoff, int64_t now_ns)
{
    if (backoff->good_since == 0)
        backoff->good_since = now_ns;
    backoff->refused_ns = 0;
}

int64_t pt_backoff_failed(struct pt_backoff *backoff, int64_t now_ns, uint32_t random)
{
    if (backoff->good_since != 0 && now_ns - backoff->good_since >= GOOD_NS)
        backoff->failures = 0;
    backoff->good_since = 0;
    int64_t delay = FIRST_NS;
    for (unsigned i = 0; i < backoff->failures && delay < LONGEST_NS; i++)
        delay *= 2;
    if (delay > LONGEST_NS)
        delay = LONGEST_NS;
    backoff->failures++;
    int64_t half = delay / 2;
    return half + (int64_t)((double)random / UINT32_MAX * (double)half);
}

int64_t pt_backoff_refused(struct pt_backoff *backoff)
{
    backoff->refused_ns =
        pt_backoff_next(backoff->refused_ns, FIRST_REFUSED_NS, LONGEST_REFUSED_NS);
    return backoff->refused_ns;
}

int64_t pt_backoff_next(int64_t before, int64_t first, int64_t longest)
{
    int64_t next = before ? 2 * before : first;
    return next < longest ? next : longest;
}
