// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HOLDUP_HOLD_UPS_H
#define PT_SERVER_HOLDUP_HOLD_UPS_H

#include "base/clock.h"
#include "pull/event.h"
#include "server/holdup/hold_up_rules.h"
#include "server/holdup/registry_history.h"
#include "server/store/pull_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Works out what holds up each pull, once a second and node by node, and what each registry does.
struct pt_hold_ups;

// NULL when out of memory. Store and clock outlive it.
struct pt_hold_ups *pt_hold_ups_create(struct pt_pull_store *store, const struct pt_clock *clock);
void pt_hold_ups_destroy(struct pt_hold_ups *hold_ups);

// Does a bounded part of the round; true: more of it is left, false: the next one is due in a
// second.
bool pt_hold_ups_turn(struct pt_hold_ups *hold_ups);

// What is known of a node that a container waits on; `node` may be NULL.
struct pt_node;
void pt_hold_ups_add_node(const struct pt_hold_ups *hold_ups, const struct pt_node *node,
                          struct pt_hold_up_facts *facts);

// What is pulled on the node now and has begun first, as far as is known without going through
// many; NULL: nothing, or not known.
const struct pt_stored_pull *pt_hold_ups_first_of(const struct pt_node *node);

// --- registries, as of the last round ---

struct pt_registry_status {
    const char *name; // its host
    size_t active;    // pulls under way, queued ones not
    size_t stalled;   // of them: without bytes, or resolving for long
    double bytes_per_second;
    double median_bytes_per_second;        // of those that download
    size_t failed[PT_FAILURE_CLASS_COUNT]; // pulls that are kept, by class
};

// The registry of that index, as in the history, from 0 on; false: there are no more.
bool pt_hold_ups_registry(const struct pt_hold_ups *hold_ups, size_t index,
                          struct pt_registry_status *ret_status);

// What they did before.
const struct pt_registry_history *pt_hold_ups_history(const struct pt_hold_ups *hold_ups);

// An attempt at a pull has failed.
void pt_hold_ups_note_failed(struct pt_hold_ups *hold_ups, const struct pt_stored_pull *stored);

// What a node that pulled lately did in a step, as the registries' histories have them; `ago` 0 is
// the one under way.
struct pt_registry_step pt_hold_ups_node_step(const struct pt_hold_ups *hold_ups,
                                              const struct pt_node *node, size_t ago);

#endif
