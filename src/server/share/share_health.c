// SPDX-License-Identifier: Apache-2.0
#include "server/share/share_health.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define MAX_BEHIND_NS (5 * PT_NS_PER_S)

void pt_share_health_init(struct pt_share_health *health, const struct pt_clock *clock,
                          const char *url)
{
    *health = (struct pt_share_health){.clock = clock, .url = url};
}

bool pt_share_health_is_up(const struct pt_share_health *health)
{
    return health->can_append && health->can_read;
}

void pt_share_health_look(struct pt_share_health *health)
{
    bool was_up = health->is_up;
    const char *why = health->can_append ? health->why_no_reading : health->why_no_appending;
    health->is_up = pt_share_health_is_up(health);
    health->disconnections += was_up && !health->is_up;
    if (health->is_up && health->logged != PT_SHARE_LOGGED_UP) {
        health->logged = PT_SHARE_LOGGED_UP;
        pt_log_info("share.connected", pt_log_text("url", health->url));
    } else if (!health->is_up && *why && health->logged != PT_SHARE_LOGGED_DOWN &&
               pt_warn_pace_admits(&health->pace, pt_clock_monotonic_ns(health->clock))) {
        health->logged = PT_SHARE_LOGGED_DOWN;
        pt_log_warn("share.unreachable",
                    pt_log_text("text", "tried again; meanwhile this server shows what it knows"),
                    pt_log_text("url", health->url), pt_log_text("error", why));
    }
}

void pt_share_health_note_appending(struct pt_share_health *health, const char *why)
{
    health->can_append = !why;
    snprintf(health->why_no_appending, sizeof(health->why_no_appending), "%s", why ? why : "");
    pt_share_health_look(health);
}

void pt_share_health_note_reading(struct pt_share_health *health, bool can_read, const char *why)
{
    health->can_read = can_read;
    snprintf(health->why_no_reading, sizeof(health->why_no_reading), "%s", why ? why : "");
    pt_share_health_look(health);
}

// --- readiness ---

// How long it has read what is old. A connection on which nothing could be read is as none.
static int64_t behind_ns(const struct pt_share_health *health)
{
    bool is_reading = health->behind_since_ns && health->can_read;
    int64_t now_ns = pt_clock_monotonic_ns(health->clock);
    return health->behind_before_ns + (is_reading ? now_ns - health->behind_since_ns : 0);
}

// Where it is behind for a reason, it has been so for long enough. Only being in step ends that: a
// connection that breaks brings nobody nearer to the log's end.
void pt_share_health_note_state(struct pt_share_health *health, enum pt_share_state state,
                                const char *why)
{
    int64_t before_ns = behind_ns(health);
    switch (state) {
    case PT_SHARE_READY:
        health->was_ready = true;
        health->behind_since_ns = health->behind_before_ns = 0;
        pt_share_health_note_reading(health, true, NULL);
        break;
    case PT_SHARE_AWAY:
        health->behind_before_ns = before_ns;
        health->behind_since_ns = 0;
        pt_share_health_note_reading(health, false, why);
        break;
    case PT_SHARE_LOADING:
    case PT_SHARE_BEHIND:
        if (why)
            health->behind_before_ns = MAX_BEHIND_NS;
        if (!health->behind_since_ns)
            health->behind_since_ns = pt_clock_monotonic_ns(health->clock);
        break;
    }
}

bool pt_share_health_is_ready(const struct pt_share_health *health)
{
    return health->was_ready && behind_ns(health) < MAX_BEHIND_NS;
}
