// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_OBSERVE_STEPS_H
#define PT_AGENT_OBSERVE_STEPS_H

#include "agent/observe/ask.h"
#include "agent/observe/lease.h"
#include "agent/observe/round.h"
#include "base/key_set.h"
#include "base/limits.h"
#include "base/map.h"

#include <sys/queue.h>

// The inside of a round: round.c is its course, and calls the files below, each of which puts the
// questions of some steps and takes their answers.

#define PT_MAX_IMAGES 64
#define PT_MAX_RECENT 16
#define PT_MAX_OTHERS 16
// A clock that goes so far back was set; less is none of its steps.
#define PT_SET_BACK_NS PT_NS_PER_S

struct pt_namespace {
    char *name;
    char *snapshotter; // last seen in use, NULL: none yet
    bool has_followed; // leases in this round that do not rest
    bool has_young;    // of those one that may yet prove to be a pull
    bool has_resting;  // leases in this round that do
    bool has_sign;     // something has moved that no followed lease is known to hold
    int64_t sign_ns;   // when that was taken to be of one that rests
    int64_t ingests_asked_ns;
    struct pt_ingest *ingests;
    size_t ingest_count;
    struct pt_map ingest_map;
};

// The questions of a round, in order.
enum pt_step {
    STEP_IDLE,
    STEP_NAMESPACES,
    STEP_LEASES,
    STEP_INGESTS,
    STEP_RESOURCES,
    STEP_ROOTS,
    STEP_BLOBS,
    STEP_DOCUMENTS, // these two again as long as a document names another one
    STEP_LAYERS,
    STEP_SNAPSHOTS,
    STEP_IMAGES,
    STEP_END,
};

struct pt_round {
    struct pt_round_options options;
    bool all_namespaces;
    struct pt_namespace *namespaces;
    size_t namespace_count;
    unsigned rounds;
    enum pt_step step;
    bool is_asking; // a step is putting its questions
    struct pt_asks asks;
    unsigned turns;                // of STEP_BLOBS and STEP_DOCUMENTS in this round
    TAILQ_HEAD(, pt_lease) leases; // that are followed
    struct pt_lease_place {
        uint64_t key;
        struct pt_lease *lease; // NULL: given up since
    } * places;                 // of those by their keys, in order, while leases are listed
    size_t place_count;
    size_t followed;           // leases, in all
    struct pt_key_set resting; // the others
    int64_t listed_ns;         // when the last round began that has listed them too
    bool is_quick;             // this one lists only what looks like the lease of a pull
    bool has_left_out;         // there were more in that list than are followed at once
    unsigned woken;            // of those, in this round
    unsigned rested;           // that went to rest since memory was given back
    struct pt_seen_image images[PT_MAX_IMAGES];
    size_t image_count;
    size_t images_asked;       // in this round
    int64_t began_at;          // this round; wall_ns, to be compared with containerd's times
    int64_t began_ns;          // monotonic, to be compared with our own, all of which end in `_ns`
    int64_t previous_began_at; // as the clock would have said if it had gone as it does now
    bool is_anew;              // the next round asks all
    struct pt_recent {
        char digest[PT_LIMIT_DIGEST_BYTES + 1]; // root
        int64_t created_at;
        int64_t ended_ns, ended_at; // at the latest
        bool has_record;
    } recent[PT_MAX_RECENT]; // pulls that have ended
    size_t next_recent;
    uint64_t guesses_lost; // of roots, since there are too many image records to look through
    struct pt_follow_ups {
        char digest[PT_LIMIT_DIGEST_BYTES + 1]; // root
        int64_t announced_at;
        unsigned names, digests; // records of each kind that are to come
        int64_t bared_at;
        unsigned bare; // records without the CRI plugin's labels, which it is about to set
    } follow_ups[PT_MAX_RECENT];
    size_t next_follow_ups;
    char *others[PT_MAX_OTHERS]; // namespaces of containerd, whose content this one may share
    size_t other_count;
    int64_t others_asked_ns;
};

// Whether so long before this round something of our own happened (monotonic; 0: never, so yes).
static inline bool pt_round_has_passed(const struct pt_round *round, int64_t since_ns, int64_t ns)
{
    return since_ns == 0 || round->began_ns - since_ns >= ns;
}

// How long before this round containerd's time was (wall_ns). No round takes a minute.
static inline int64_t pt_round_age_ns(const struct pt_round *round, int64_t at)
{
    return pt_seen_age_ns(round->began_at, at);
}

// A namespace that is given or found; a name that is too long, or one too many, is left out.
// -ENOMEM.
int pt_round_add_namespace(struct pt_round *round, const char *name, size_t length);
struct pt_namespace *pt_round_find_namespace(struct pt_round *round, const char *name);
void pt_namespace_finish(struct pt_namespace *namespace);

// Which leases there are, and what each of them holds (leases.c).
void pt_round_ask_namespaces(struct pt_round *round);
void pt_round_ask_leases(struct pt_round *round);
void pt_round_ask_ingests(struct pt_round *round);
void pt_round_ask_resources(struct pt_round *round);

// Leases that show no pull rest: they are not asked for any more until something moves in their
// namespace that no other lease explains.
void pt_round_note_sign(struct pt_round *round, const char *namespace);
void pt_round_rest_leases(struct pt_round *round);

// What that is: index, manifest, config, layers, snapshots (content.c).
void pt_round_ask_roots(struct pt_round *round);
void pt_round_ask_blobs(struct pt_round *round);
void pt_round_ask_documents(struct pt_round *round);
void pt_round_ask_layers(struct pt_round *round);
void pt_round_ask_snapshots(struct pt_round *round);

void pt_round_clear_others(struct pt_round *round);

// The snapshotter of a lease: seen there, else the one seen last in its namespace, else
// containerd's default.
const char *pt_round_snapshotter(struct pt_round *round, struct pt_lease *lease);

// Whether what shows no change is still at work (still.c).
void pt_round_ask_usage(struct pt_round *round);

// What was read has named something that was not asked for yet in this round.
bool pt_round_has_open_documents(struct pt_round *round);

// Pulls that came and went between two looks (unseen.c): adopt makes leases of the image
// records that no known pull has written, judge drops those that prove to be something else, and
// remember notes a pull that has ended, so that its later records are not taken for another one.
void pt_round_adopt_images(struct pt_round *round);
void pt_round_judge_unseen(struct pt_round *round);
void pt_round_remember(struct pt_round *round, const struct pt_lease *lease);

// How pulls have ended (ends.c): asks for the records and configs of those whose lease is
// gone, then judges them. A lease is PT_LEASE_OVER once that is decided.
void pt_round_ask_ends(struct pt_round *round);
void pt_round_judge_ends(struct pt_round *round);

#endif
