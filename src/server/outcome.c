// SPDX-License-Identifier: Apache-2.0
#include "server/outcome.h"

#include "base/limits.h"
#include "base/log.h"
#include "server/holdup/hold_ups.h"

#include <stdio.h>

#define MAX_EVENT_BYTES (4 * 1024 * 1024)

static int write_event(enum pt_event_type type, const struct pt_stored_pull *stored,
                       struct pt_buffer *json)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    pt_buffer_init(json, MAX_EVENT_BYTES);
    return pt_pull_event_encode(type, pt_stored_pull_reported_at(stored), &status, false, json);
}

static void log_event(enum pt_event_type type, const char *json)
{
    pt_log_info(pt_event_type_name(type), pt_log_json("event", json));
}

// Kubernetes or time has brought it about: every server sees it, and one of them counts it.
static void claim(struct pt_api *api, enum pt_event_type type, const struct pt_stored_pull *stored,
                  const char *json)
{
    struct pt_share_claim claim = {.type = type, .json = json};
    snprintf(claim.id, sizeof(claim.id), "%s", pt_stored_pull_id(stored));
    claim.attempt = pt_stored_pull_failures(stored);
    if (type == PT_EVENT_PULL_FAILED)
        claim.error_class = pt_stored_pull_model(stored)->error_class;
    pt_share_claim(api->share, &claim);
}

void pt_outcome_note_won(void *context, const struct pt_share_claim *claim)
{
    struct pt_api *api = context;
    const struct pt_stored_pull *stored = pt_store_find(api->store, claim->id);
    if (claim->type == PT_EVENT_PULL_FAILED)
        pt_metrics_note_failure(api->metrics, claim->error_class);
    else if (claim->type == PT_EVENT_PULL_COMPLETED && stored)
        pt_metrics_note_end(api->metrics, stored);
    if (claim->type != PT_EVENT_PULL_STARTED && stored)
        pt_store_count_end(api->store, stored, claim->error_class);
    if (pt_log_admits_event(PT_LOG_INFO))
        log_event(claim->type, claim->json);
}

void pt_outcome_note(struct pt_api *api, enum pt_event_type type,
                     const struct pt_stored_pull *stored)
{
    struct pt_buffer json;
    if (type == PT_EVENT_PULL_FAILED && !pt_store_is_replaying_past(api->store))
        pt_hold_ups_note_failed(api->hold_ups, stored);
    if (pt_store_is_replaying(api->store)) // its taker counts it
        return;
    bool is_claimed = pt_store_is_to_claim(api->store);
    if (!is_claimed && type != PT_EVENT_PULL_STARTED)
        pt_metrics_note_end(api->metrics, stored);
    if (!is_claimed && !pt_log_admits_event(PT_LOG_INFO))
        return;
    int r = write_event(type, stored, &json);
    if (r == 0 && is_claimed)
        claim(api, type, stored, json.data);
    else if (r == 0)
        log_event(type, json.data);
    pt_buffer_finish(&json);
}
