// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_HEALTH_H
#define PT_SERVER_SHARE_SHARE_HEALTH_H

#include "base/warn_pace.h"
#include "server/share/share_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct pt_clock;

// Whether the log can be reached, both ways, and the lines of the log of this server that say so:
// what lasts is logged, what comes and goes once a minute. And whether readers may be sent here.
struct pt_share_health {
    const struct pt_clock *clock;
    const char *url;
    bool can_append;
    bool can_read; // what is asked for comes
    // Used by share_health.c only.
    bool is_up; // both, when that was looked at last
    enum {
        PT_SHARE_LOGGED_NOTHING,
        PT_SHARE_LOGGED_DOWN,
        PT_SHARE_LOGGED_UP,
    } logged;
    char why_no_appending[256], why_no_reading[256]; // empty: not known
    struct pt_warn_pace pace;
    uint64_t disconnections;
    bool was_ready;           // it has been in step once
    int64_t behind_since_ns;  // on this connection; 0: in step, or away
    int64_t behind_before_ns; // on those before, since it was in step
};

// All is borrowed.
void pt_share_health_init(struct pt_share_health *health, const struct pt_clock *clock,
                          const char *url);

// Reports can be appended; or not, and `why` says so.
void pt_share_health_note_appending(struct pt_share_health *health, const char *why);

// What others append comes, or not; `why` may be NULL: that is not known.
void pt_share_health_note_reading(struct pt_share_health *health, bool can_read, const char *why);

// How far this server is with the log; `why` may be NULL: nothing is wrong.
void pt_share_health_note_state(struct pt_share_health *health, enum pt_share_state state,
                                const char *why);

// To be called now and then, for what was not logged when it changed.
void pt_share_health_look(struct pt_share_health *health);

bool pt_share_health_is_up(const struct pt_share_health *health);

// Whether it knows what the others know, as pt_share_is_ready promises.
bool pt_share_health_is_ready(const struct pt_share_health *health);

#endif
