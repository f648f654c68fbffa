// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_BACKOFF_H
#define PT_BASE_BACKOFF_H

#include <stdint.h>

// How long to wait before the next try: 0.8 s doubling to 12 s, half to the whole of that at
// random, and from the beginning again after two minutes without a failure. All zero is fresh.
struct pt_backoff {
    unsigned failures;
    int64_t good_since; // monotonic_ns, 0: nothing good since the last failure
    int64_t refused_ns; // the last delay after a refusal, 0: none since the last good
};

// Something worked; repeated calls keep the first time.
void pt_backoff_good(struct pt_backoff *backoff, int64_t now_ns);

// Something failed: returns the delay in ns. `random` is any 32 bits.
int64_t pt_backoff_failed(struct pt_backoff *backoff, int64_t now_ns, uint32_t random);

// What is optional was refused: returns the delay in ns, 5 s doubling to 10 minutes, since an API
// server that starts refuses what it has not read the roles of yet.
int64_t pt_backoff_refused(struct pt_backoff *backoff);

// Of a row of waits the one behind `before`, twice as long: `first` at the beginning (`before` is
// 0), and no longer than `longest`.
int64_t pt_backoff_next(int64_t before, int64_t first, int64_t longest);

#endif
