// SPDX-License-Identifier: Apache-2.0
#include "base/pauses.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/step_rate.h"

#include <string.h>

// A shorter one is no pause: a window of pt_rate holds two of them.
#define PAUSE_NS (2500 * PT_NS_PER_MS)

// Of what begins together one is seen first.
#define BEHIND_NS (3 * PT_NS_PER_S)
// What has begun behind others stalls after half a minute, until a pause has shown.
#define PAUSE_BEHIND_NS (10 * PT_NS_PER_S)

static void begin(struct pt_pauses *pauses, int64_t taken_at, int64_t bytes)
{
    *pauses = (struct pt_pauses){.count = 1};
    pauses->pieces[0] = (struct pt_piece){.began_at = taken_at, .at = taken_at, .bytes = bytes};
}

bool pt_pauses_end_wait(struct pt_pauses *pauses, int64_t taken_at, int64_t bytes, bool is_behind)
{
    if (!is_behind || pauses->behind_at == 0)
        pauses->behind_at = is_behind ? taken_at : 0;
    if (bytes == 0 || !is_behind || taken_at - pauses->behind_at < BEHIND_NS)
        return false;
    begin(pauses, taken_at, bytes);
    pauses->is_behind = true;
    return true;
}

void pt_pauses_add(struct pt_pauses *pauses, int64_t taken_at, int64_t bytes)
{
    struct pt_piece *newest = &pauses->pieces[0];
    if (pauses->count == 0 || bytes < newest->bytes || taken_at < newest->at) {
        begin(pauses, taken_at, bytes);
        return;
    }
    if (bytes == newest->bytes) {
        pauses->is_still |= taken_at > newest->at;
        return;
    }
    int64_t pause_ns = taken_at - newest->at;
    if (pauses->is_still && pause_ns >= PAUSE_NS) {
        memmove(&pauses->pieces[1], &pauses->pieces[0], 2 * sizeof(pauses->pieces[0]));
        pauses->count = pauses->count < 3 ? (uint8_t)(pauses->count + 1) : 3;
        newest->began_at = taken_at;
        newest->pause_ns = pause_ns;
    } else if (taken_at - newest->began_at > newest->pause_ns / 2) {
        pauses->count = 1; // it flows
        newest->pause_ns = 0;
    }
    newest->at = taken_at;
    newest->bytes = bytes;
    pauses->is_still = pauses->is_behind = false;
}

// A stall that is over was a pause as well: of two the shorter one counts. 0: there is none.
static int64_t usual_pause_ns(const struct pt_pauses *pauses)
{
    int64_t pause_ns = pauses->count >= 2 ? pauses->pieces[0].pause_ns : 0;
    if (pauses->count == 3 && pauses->pieces[1].pause_ns && pauses->pieces[1].pause_ns < pause_ns)
        pause_ns = pauses->pieces[1].pause_ns;
    return pause_ns;
}

int64_t pt_pauses_patience_ns(const struct pt_pauses *pauses)
{
    return pt_step_patience_ns(pauses->is_behind ? PAUSE_BEHIND_NS : usual_pause_ns(pauses));
}

double pt_pauses_speed(const struct pt_pauses *pauses, int64_t taken_at, double windowed)
{
    int64_t pause_ns = usual_pause_ns(pauses);
    const struct pt_piece *newest = &pauses->pieces[0];
    if (pause_ns == 0)
        return windowed;
    int64_t still_ns = taken_at - newest->at;
    if (still_ns > pt_pauses_patience_ns(pauses))
        return 0;
    const struct pt_piece *oldest = &pauses->pieces[pauses->count - 1];
    int64_t time_ns = newest->at - oldest->at;
    if (still_ns > pause_ns)
        time_ns += still_ns - pause_ns;
    double speed = (double)(newest->bytes - oldest->bytes) * (double)PT_NS_PER_S / (double)time_ns;
    return speed < PT_LIMIT_BYTES_PER_SECOND ? speed : (double)PT_LIMIT_BYTES_PER_SECOND;
}
