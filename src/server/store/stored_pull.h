// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_STORE_STORED_PULL_H
#define PT_SERVER_STORE_STORED_PULL_H

#include "base/error.h"
#include "base/map.h"
#include "base/pauses.h"
#include "base/step_rate.h"
#include "pull/event.h"
#include "pull/model.h"
#include "pull/rate.h"
#include "server/eta/layer_track.h"
#include "server/store/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pt_join;
struct pt_node;

// Where a pull stands on its way through the store. Only pull_life.c writes it.
enum pt_pull_life {
    PT_LIFE_QUEUED,   // it waits to begin, and may wait for ever
    PT_LIFE_ACTIVE,   // it goes on
    PT_LIFE_GIVEN_UP, // failed, since nothing was heard of it; it may go on yet
    PT_LIFE_FINAL,    // completed, failed or cancelled
};

// What holds it up, as src/server/holdup has concluded last.
struct pt_stored_hold_up {
    enum pt_hold_up_kind kind;
    int64_t since;
    char pull_id[PT_PULL_ID_SIZE]; // empty: not known
    int64_t node_bytes_per_second, registry_bytes_per_second;
};

// One pull of one node with its own copy of what the agent has reported last.
struct pt_stored_pull {
    struct pt_pull pull; // text and layers are owned; pull.id is NULL
    char id[PT_PULL_ID_SIZE];
    char *key; // names the pull on its node; kinds of agents cannot collide
    struct pt_node *node;
    enum pt_pull_life life;
    enum pt_stale_reason stale_reason;  // of one that was given up
    size_t layers_bytes;                // of the block of pull.layers
    int64_t counted_bytes;              // of the store's memory, by pull_memory.c
    struct pt_layer_versions *versions; // one for each layer, in the block of pull.layers
    struct pt_layer_track *tracks;      // one for each layer, owned, while it may go on; or NULL
    struct pt_rate rate;                // of received_bytes
    struct pt_step_rate steps;          // likewise
    struct pt_pauses pauses;            // of the same
    int64_t received_bytes;             // over the network; never goes back
    int64_t of_no_registry;             // bytes to count once its repository is known
    size_t slots;                       // layers that were downloaded at once, at most
    struct pt_registry *registry;       // of the store; NULL: not known
    double percent_floor;               // what percent has reached
    int64_t reported_at;                // wall_ns on the node, of the report that changed it last
    int64_t bytes_at;                   // wall_ns on the node, when a byte came last
    int64_t alive_at;                   // monotonic_ns: reported with something that moved
    int64_t finished_at;                // monotonic_ns
    struct pt_join *join;               // what Kubernetes knows of it, owned; NULL: nothing
    struct pt_stored_hold_up hold_up;
    int64_t failures_reported; // attempts that became an event as failed
    char *earlier_key;         // of the attempt before, which its agent may report again; or NULL
    uint64_t version;
    uint64_t created_version;
    uint64_t final_version;  // 0: not final
    size_t change_index;     // in the change log
    uint32_t last_report;    // number of the node's report that named it last
    bool had_queue;          // when `slots` layers were downloaded, others waited
    bool of_kubelet;         // no agent reports it
    bool is_kept;            // likewise, and its end is in the log under this id
    int64_t row_started;     // likewise: started_at as correlate has it, which may have come later
    int64_t row_attempts;    // likewise: those that failed before that
    bool failure_is_counted; // of this attempt, before it has ended
    uint64_t counted_final;  // version of the end as completed that was counted before, 0: none
    bool is_failing;         // counted as such
    bool legacy;             // its agent ends it by leaving it out
    TAILQ_ENTRY(pt_stored_pull) in_store;
    TAILQ_ENTRY(pt_stored_pull) in_node;
    TAILQ_ENTRY(pt_stored_pull) in_queue; // of the active or of the finished ones
};

TAILQ_HEAD(pt_stored_pull_list, pt_stored_pull);

// Writes an id that is unique in the cluster, safe in a URL and the same after a restart of the
// server: half of the SHA-256 of the three, as hexadecimal digits. -ENOMEM, and `id` is as it was.
PT_MUST_CHECK int pt_pull_id_make(const char *node_name, const char *key, int64_t salt,
                                  char id[static PT_PULL_ID_SIZE]);

// An empty pull of that node under a copy of the key, without an id; NULL when out of memory.
struct pt_stored_pull *pt_stored_pull_create(struct pt_node *node, const char *key);
void pt_stored_pull_destroy(struct pt_stored_pull *stored);

// What an update has done.
struct pt_pull_change {
    bool visible;                // a reader sees a difference
    bool moved;                  // bytes or phases went on, or something is being extracted
    bool named;                  // a name or digest is another
    int64_t received_bytes;      // since the update before
    int64_t node_bytes;          // of these, what no other pull of the node has counted
    size_t downloading, waiting; // layers, now
};

// Takes over what the agent reported at `timestamp`; layers that changed get `version`. Pulls that
// wait for the same layer all show its bytes: `counted` holds the digests whose new bytes this
// report has counted, as keys that borrow from `reported`. -ENOMEM leaves the pull valid, maybe
// half updated.
PT_MUST_CHECK int pt_stored_pull_update(struct pt_stored_pull *stored,
                                        const struct pt_pull *reported, int64_t timestamp,
                                        uint64_t version, struct pt_map *counted,
                                        struct pt_pull_change *ret_change);

// Whether bytes or phases that the agent reports differ from what is stored.
bool pt_stored_pull_would_move(const struct pt_stored_pull *stored, const struct pt_pull *reported);

// Marks every layer as there and the whole as completed, as the absence in a legacy report means.
void pt_stored_pull_complete(struct pt_stored_pull *stored, int64_t completed_at, uint64_t version);

// A name that is known for sure says the port of its repository's registry; false when out of
// memory.
bool pt_stored_pull_take_port(struct pt_stored_pull *stored);

// Nothing more is to come that says the port.
bool pt_stored_pull_is_name_sure(const struct pt_stored_pull *stored);

// Sets words and class of a failure, no words if there is no memory for them; NULL and
// PT_FAILURE_NONE take them away.
void pt_stored_pull_set_failure(struct pt_stored_pull *stored, const char *error,
                                enum pt_failure_class error_class);

// Lets go what only a pull needs that goes on: most pulls of the store are final, and half of what
// one takes would be this.
void pt_stored_pull_drop_tracks(struct pt_stored_pull *stored);

// Forgets layers and progress: another attempt begins under a new key, which it then owns.
void pt_stored_pull_restart(struct pt_stored_pull *stored, char *key);

#endif
