// SPDX-License-Identifier: Apache-2.0
#include "server/holdup/hold_ups.h"

#include "base/limits.h"
#include "base/rhythm.h"
#include "server/holdup/registry_history.h"
#include "server/holdup/speeds.h"
#include "server/store/reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A round goes through all nodes, in turns of some hundred pulls. What is fast or slow at a
// registry is judged by the round before; at a node, whose pulls are first gone through for that,
// by this one. Nodes that come or go between two turns may be missed or met twice: the next round,
// a second later, sees all.

static_assert(PT_NODE_PAST_STEPS == PT_REGISTRY_STEPS, "nodes and registries have the same steps");

#define TURN_ITEMS 500
#define GATHERED_PER_ITEM 4     // pulls that are gone through for their node cost less
#define LOOKED_AT_FOR_FIRST 256 // where the round has not noted it
#define AGENTS_KNOWN_NS (PT_REPORT_AGENTS_KNOWN_MS * PT_NS_PER_MS)

// Of this round, or of the one before; the place of each is that of its history.
struct registry {
    struct pt_registry_status status; // without its name
    struct pt_speeds speeds;
};

// What a node does, whose turn it is.
struct node_now {
    struct pt_node *node; // pinned; NULL: it is the next one's turn
    struct pt_node_walk walk;
    bool has_active_behind;         // the walk is at those that have ended
    char first_id[PT_PULL_ID_SIZE]; // of the first that has begun; empty: none
    struct pt_speeds speeds;        // of those that download
    size_t stalled;                 // pulls, of those looked at so far
    double share;                   // of its pulls' speeds that it has itself: a layer that several
                                    // of them wait for comes once
    struct pt_hold_up_facts facts;  // that all its pulls have in common
    int64_t wall_ns;
};

struct pt_hold_ups {
    struct pt_pull_store *store;
    const struct pt_clock *clock;
    int64_t started_at; // monotonic_ns
    size_t cursor;      // of the nodes
    struct node_now node_now;
    struct registry tables[2][PT_LIMIT_REGISTRIES];
    struct registry *now, *last; // of this round and of the one before
    struct pt_registry_history history;
};

struct pt_hold_ups *pt_hold_ups_create(struct pt_pull_store *store, const struct pt_clock *clock)
{
    struct pt_hold_ups *hold_ups = calloc(1, sizeof(*hold_ups));
    if (!hold_ups)
        return NULL;
    hold_ups->store = store;
    hold_ups->clock = clock;
    hold_ups->started_at = pt_clock_monotonic_ns(clock);
    pt_registry_history_init(&hold_ups->history, hold_ups->started_at);
    hold_ups->now = hold_ups->tables[0];
    hold_ups->last = hold_ups->tables[1];
    return hold_ups;
}

static void leave_node(struct node_now *now)
{
    if (!now->node)
        return;
    pt_node_walk_end(&now->walk);
    pt_node_unpin(now->node);
    now->node = NULL;
}

// All its pulls were looked at: notes what it does now, if it does anything.
static void end_node(struct pt_hold_ups *hold_ups)
{
    struct node_now *now = &hold_ups->node_now;
    double bytes_per_second = pt_node_status(now->node).bytes_per_second;
    if (bytes_per_second > 0 || now->stalled > 0)
        pt_node_note_past(hold_ups->store, now->node, hold_ups->history.step, bytes_per_second,
                          now->stalled);
    leave_node(now);
}

void pt_hold_ups_destroy(struct pt_hold_ups *hold_ups)
{
    if (hold_ups)
        leave_node(&hold_ups->node_now);
    free(hold_ups);
}

// --- registries ---

// The place of the pull's registry among them; < 0: its repository names none.
static int registry_of(struct pt_hold_ups *hold_ups, const struct pt_stored_pull *stored)
{
    return pt_registry_history_find(&hold_ups->history, pt_stored_pull_model(stored)->repository);
}

static void end_round(struct pt_hold_ups *hold_ups)
{
    struct registry *done = hold_ups->now;
    for (size_t i = 0; i < hold_ups->history.count; i++)
        pt_registry_history_note(&hold_ups->history, i, done[i].status.bytes_per_second,
                                 done[i].status.stalled);
    pt_registry_history_end_look(&hold_ups->history, pt_clock_monotonic_ns(hold_ups->clock));
    hold_ups->now = hold_ups->last;
    hold_ups->last = done;
    memset(hold_ups->now, 0, sizeof(hold_ups->tables[0]));
    hold_ups->cursor = 0;
}

bool pt_hold_ups_registry(const struct pt_hold_ups *hold_ups, size_t index,
                          struct pt_registry_status *ret_status)
{
    if (index >= hold_ups->history.count)
        return false;
    const struct registry *row = &hold_ups->last[index];
    *ret_status = row->status;
    ret_status->name = hold_ups->history.rows[index].name;
    // Of all of them: none is of a speed below 0.
    ret_status->median_bytes_per_second = pt_speeds_of_others(&row->speeds, -1).median;
    return true;
}

const struct pt_registry_history *pt_hold_ups_history(const struct pt_hold_ups *hold_ups)
{
    return &hold_ups->history;
}

void pt_hold_ups_note_failed(struct pt_hold_ups *hold_ups, const struct pt_stored_pull *stored)
{
    int registry = registry_of(hold_ups, stored);
    if (registry >= 0)
        pt_registry_history_note_failed(&hold_ups->history, (size_t)registry);
    struct pt_node *node = pt_store_find_node(hold_ups->store, pt_stored_pull_node_name(stored));
    if (node)
        pt_node_note_past_failed(hold_ups->store, node, hold_ups->history.step);
}

struct pt_registry_step pt_hold_ups_node_step(const struct pt_hold_ups *hold_ups,
                                              const struct pt_node *node, size_t ago)
{
    const struct pt_registry_history *history = &hold_ups->history;
    struct pt_node_past_step noted = pt_node_past_at(node, history->step - ago);
    uint32_t looks = history->looks[(history->step - ago) % PT_REGISTRY_STEPS];
    return (struct pt_registry_step){
        .bytes_per_second = noted.bytes_per_second / (looks ? looks : 1),
        .stalled = noted.stalled,
        .failed = noted.failed,
    };
}

// --- pulls ---

static bool is_queued(const struct pt_stored_pull *stored)
{
    return pt_stored_pull_model(stored)->phase == PT_PULL_QUEUED;
}

static bool downloads(const struct pt_stored_pull *stored)
{
    enum pt_pull_phase phase = pt_stored_pull_model(stored)->phase;
    return phase == PT_PULL_DOWNLOADING || phase == PT_PULL_UNKNOWN;
}

static bool is_earlier(const struct pt_stored_pull *stored, const struct pt_stored_pull *first)
{
    return !is_queued(stored) && (!first || pt_stored_pull_model(stored)->started_at <
                                                pt_stored_pull_model(first)->started_at);
}

const struct pt_stored_pull *pt_hold_ups_first_of(const struct pt_node *node)
{
    const struct pt_stored_pull *first = node ? pt_node_first(node) : NULL, *stored = NULL;
    if (!node || first)
        return first;
    for (int i = 0; i < LOOKED_AT_FOR_FIRST && (stored = pt_node_next_active(node, stored)); i++)
        first = is_earlier(stored, first) ? stored : first;
    return first;
}

void pt_hold_ups_add_node(const struct pt_hold_ups *hold_ups, const struct pt_node *node,
                          struct pt_hold_up_facts *facts)
{
    int64_t age = pt_clock_monotonic_ns(hold_ups->clock) - hold_ups->started_at;
    bool has_reported = node && pt_node_has_reported(node);
    facts->has_agent = has_reported || age < AGENTS_KNOWN_NS;
    facts->is_node_silent = has_reported && pt_node_is_silent(node);
}

static double seconds_since(int64_t at, int64_t now)
{
    return at > 0 && now > at ? (double)(now - at) / (double)PT_NS_PER_S : 0;
}

static struct pt_hold_up_facts facts_of(const struct pt_hold_ups *hold_ups,
                                        const struct node_now *now,
                                        const struct pt_stored_pull *stored, int registry)
{
    const struct pt_pull *pull = pt_stored_pull_model(stored);
    const struct pt_join *join = pt_stored_pull_join(stored);
    struct pt_hold_up_facts facts = now->facts;
    facts.is_pull = true;
    facts.phase = pull->phase;
    facts.is_waited_for = pt_stored_pull_is_waited_for(stored);
    facts.next_attempt_at = join ? join->next_attempt_at : 0;
    facts.seconds = seconds_since(pull->started_at, now->wall_ns);
    facts.stalled_seconds = pt_stored_pull_stalled_seconds(stored);
    facts.bytes_per_second = pt_stored_pull_speed(stored);
    if (!downloads(stored))
        return facts;
    facts.of_node = pt_speeds_of_others(&now->speeds, facts.bytes_per_second);
    if (registry >= 0)
        facts.of_registry =
            pt_speeds_of_others(&hold_ups->last[registry].speeds, facts.bytes_per_second);
    return facts;
}

static int64_t since(enum pt_hold_up_kind kind, const struct pt_hold_up_facts *facts,
                     const struct node_now *now, const struct pt_stored_pull *stored)
{
    const struct pt_pull *pull = pt_stored_pull_model(stored);
    if (kind == PT_HOLD_UP_BACKOFF || kind == PT_HOLD_UP_FAILED)
        return pull->completed_at;
    if (kind == PT_HOLD_UP_QUEUE || kind == PT_HOLD_UP_RESOLVING ||
        kind == PT_HOLD_UP_AGENT_MISSING)
        return pull->started_at;
    if (kind == PT_HOLD_UP_NODE_SILENT)
        return pt_node_reported_at(now->node);
    if (kind == PT_HOLD_UP_NO_BYTES)
        return now->wall_ns - (int64_t)(facts->stalled_seconds * (double)PT_NS_PER_S);
    return now->wall_ns;
}

static bool is_stalled(enum pt_hold_up_kind kind)
{
    return kind == PT_HOLD_UP_NO_BYTES || kind == PT_HOLD_UP_RESOLVING;
}

static void count(struct registry *registry, const struct pt_stored_pull *stored,
                  enum pt_hold_up_kind kind, double bytes_per_second, double share)
{
    if (is_queued(stored))
        return;
    registry->status.active++;
    registry->status.stalled += is_stalled(kind);
    registry->status.bytes_per_second += share * bytes_per_second;
    if (downloads(stored))
        pt_speeds_add(&registry->speeds, bytes_per_second);
}

static void look_at(struct pt_hold_ups *hold_ups, struct node_now *now,
                    struct pt_stored_pull *stored, int registry)
{
    const struct pt_hold_up_facts facts = facts_of(hold_ups, now, stored, registry);
    struct pt_hold_up hold_up = {.kind = pt_hold_up_of(&facts)};
    now->stalled += is_stalled(hold_up.kind);
    if (registry >= 0 && !pt_stored_pull_is_final(stored))
        count(&hold_ups->now[registry], stored, hold_up.kind, facts.bytes_per_second, now->share);
    if (hold_up.kind == PT_HOLD_UP_NONE && pt_stored_pull_hold_up(stored) == PT_HOLD_UP_NONE)
        return;
    if (hold_up.kind != PT_HOLD_UP_NONE)
        hold_up.since = since(hold_up.kind, &facts, now, stored);
    if (hold_up.kind == PT_HOLD_UP_QUEUE && *now->first_id)
        hold_up.pull_id = now->first_id;
    if (hold_up.kind == PT_HOLD_UP_SLOW) {
        hold_up.node_bytes_per_second = (int64_t)facts.of_node.median;
        hold_up.registry_bytes_per_second = (int64_t)facts.of_registry.median;
    }
    pt_store_set_hold_up(hold_ups->store, stored, &hold_up);
}

static void look_at_failed(struct pt_hold_ups *hold_ups, struct node_now *now,
                           struct pt_stored_pull *stored)
{
    const struct pt_pull *pull = pt_stored_pull_model(stored);
    if (pull->phase != PT_PULL_FAILED)
        return;
    int registry = registry_of(hold_ups, stored);
    if (registry >= 0)
        hold_ups->now[registry].status.failed[pull->error_class]++;
    look_at(hold_ups, now, stored, registry);
}

// Goes through the pulls of a node that are under way; returns how many there are.
static size_t gather(struct pt_node *node, struct node_now *now)
{
    const struct pt_stored_pull *stored = NULL, *first = NULL;
    size_t count = 0;
    double sum = 0, own = pt_node_status(node).bytes_per_second;
    memset(&now->speeds, 0, sizeof(now->speeds));
    for (; (stored = pt_node_next_active(node, stored)); count++) {
        double speed = pt_stored_pull_speed(stored);
        first = is_earlier(stored, first) ? stored : first;
        sum += is_queued(stored) ? 0 : speed;
        if (downloads(stored))
            pt_speeds_add(&now->speeds, speed);
    }
    now->share = own > 0 && sum > own ? own / sum : 1;
    pt_node_note_first(node, first);
    snprintf(now->first_id, sizeof(now->first_id), "%s", first ? pt_stored_pull_id(first) : "");
    return count;
}

// Begins with the next node that has pulls, as far as *left goes; false: there is none.
static bool begin_node(struct pt_hold_ups *hold_ups, size_t *left)
{
    struct node_now *now = &hold_ups->node_now;
    struct pt_node *node;
    while ((node = pt_store_next_node(hold_ups->store, &hold_ups->cursor))) {
        struct pt_stored_pull *first = pt_node_next_active(node, NULL);
        --*left;
        if (first || pt_node_next_finished(node, NULL)) {
            size_t cost = gather(node, now) / GATHERED_PER_ITEM;
            *left -= cost < *left ? cost : *left;
            pt_hold_ups_add_node(hold_ups, node, &now->facts);
            pt_node_walk_begin(hold_ups->store, first, &now->walk);
            pt_node_pin(node);
            now->has_active_behind = false;
            now->stalled = 0;
            now->node = node;
        } else {
            pt_node_let_past_go(hold_ups->store, node, hold_ups->history.step);
        }
        if (now->node || *left == 0)
            return true;
    }
    return false;
}

// Looks at the node's next pull; false: that was the last.
static bool look_at_next(struct pt_hold_ups *hold_ups)
{
    struct node_now *now = &hold_ups->node_now;
    struct pt_stored_pull *stored = pt_node_walk_next(&now->walk);
    if (stored && !now->has_active_behind)
        look_at(hold_ups, now, stored, registry_of(hold_ups, stored));
    else if (stored)
        look_at_failed(hold_ups, now, stored);
    else if (now->has_active_behind)
        return false;
    else {
        pt_node_walk_end(&now->walk);
        pt_node_walk_begin(hold_ups->store, pt_node_next_finished(now->node, NULL), &now->walk);
        now->has_active_behind = true;
    }
    return true;
}

bool pt_hold_ups_turn(struct pt_hold_ups *hold_ups)
{
    struct node_now *now = &hold_ups->node_now;
    size_t left = TURN_ITEMS;
    now->wall_ns = pt_clock_wall_ns(hold_ups->clock);
    while (left > 0) {
        if (!now->node && !begin_node(hold_ups, &left)) {
            end_round(hold_ups);
            return false;
        }
        for (; left > 0 && now->node; left--) {
            if (!look_at_next(hold_ups))
                end_node(hold_ups);
        }
    }
    return true;
}
