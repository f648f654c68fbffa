// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STREAM_STREAM_PACE_H
#define PT_SERVER_STREAM_STREAM_PACE_H

#include <stdint.h>

// How soon one round of the event stream may follow another. While the loop works for less than a
// fifth of the time, readers get each change at once. What costs more comes in fewer and larger
// rounds, down to ten a second.
struct pt_stream_pace {
    int64_t began_ns;     // of the last round, monotonic
    int64_t ended_ns;     // when all readers in step had been served
    int64_t cpu_began_ns; // the loop's CPU time when it began
};

// A round begins; cpu_ns is the loop's CPU time.
void pt_stream_pace_begin(struct pt_stream_pace *pace, int64_t now_ns, int64_t cpu_ns);
void pt_stream_pace_end(struct pt_stream_pace *pace, int64_t now_ns);

// 0: the next round may begin, else in how much time to ask again. cpu_ns is the loop's CPU time
// when it last rested: before the last round's begin while the loop still sends what that made.
int64_t pt_stream_pace_wait_ns(const struct pt_stream_pace *pace, int64_t now_ns, int64_t cpu_ns);

#endif
