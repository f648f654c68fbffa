// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "base/limits.h"
#include "pull/digest.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

// Most leases of a node are none of a pull: an image volume has one as long as its pod lives, a
// builder thousands for its cache. One that has shown no pull for SETTLED_AFTER_NS rests: all that
// is kept of it is a key. It may still become one, as that of a client which was slow to resolve
// its name. So when something moves that no followed lease explains (an event of an unknown layer,
// or an ingest), those that rest are looked at once more, MOST_WOKEN in a round, and not sooner
// than REST_NS after the last time. Ingests are listed that often for it.
#define SETTLED_AFTER_NS (30 * PT_NS_PER_S)
#define REST_NS (10 * PT_NS_PER_S)
#define MOST_WOKEN 200
#define MANY 100

// Where many rest, the list of them all costs more than anything else that the agent does. A pull's
// lease has a label by which it expires, whichever client pulls; that of an image volume or of a
// builder's cache has none, and containerd can leave those out. (It could sort by the names too,
// but compiles a pattern anew for each lease.) All of them are listed each LIST_ALL_NS, and when
// there is a sign that another one moves.
#define LIST_ALL_NS (60 * PT_NS_PER_S)
#define PULLS_FILTER "labels.\"containerd.io/gc.expire\""

// Once a lease's layers are known, ingests and events show all that moves. What it holds is asked
// for less often, in case an event was missed or another lease has taken over its ingests.
#define ASK_EVERY_NS (3 * PT_NS_PER_S)
// Where nothing else shows that a layer is there.
#define ASK_SILENT_EVERY_NS (PT_NS_PER_S / 2)

// --- namespaces ---

struct pt_namespace *pt_round_find_namespace(struct pt_round *round, const char *name)
{
    for (size_t i = 0; i < round->namespace_count; i++) {
        if (strcmp(round->namespaces[i].name, name) == 0)
            return &round->namespaces[i];
    }
    return NULL;
}

int pt_round_add_namespace(struct pt_round *round, const char *name, size_t length)
{
    char text[PT_LIMIT_NAME_BYTES + 1];
    if (length == 0 || length >= sizeof(text) ||
        round->namespace_count == PT_LIMIT_CONTAINERD_NAMESPACES)
        return 0;
    memcpy(text, name, length);
    text[length] = '\0';
    if (pt_round_find_namespace(round, text))
        return 0;
    struct pt_namespace *namespace = &round->namespaces[round->namespace_count];
    namespace->name = strdup(text);
    if (!namespace->name)
        return -ENOMEM;
    round->namespace_count++;
    return 0;
}

static void take_namespaces(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListNamespacesResponse *list = message;
    for (size_t i = 0; list && i < list->n_namespaces; i++) {
        const char *name = list->namespaces[i]->name;
        (void)pt_round_add_namespace(ask->asks->round, name, strlen(name)); // or in the next round
    }
}

void pt_round_ask_namespaces(struct pt_round *round)
{
    if (round->all_namespaces)
        PT_ASK(&round->asks, NULL, 0, take_namespaces, pt_containerd_list_namespaces);
}

static void clear_ingests(struct pt_namespace *namespace)
{
    for (size_t i = 0; i < namespace->ingest_count; i++)
        free(namespace->ingests[i].digest);
    free(namespace->ingests);
    namespace->ingests = NULL;
    namespace->ingest_count = 0;
    pt_map_finish(&namespace->ingest_map);
}

void pt_namespace_finish(struct pt_namespace *namespace)
{
    clear_ingests(namespace);
    free(namespace->name);
    free(namespace->snapshotter);
}

// --- leases ---

static int compare_places(const void *a, const void *b)
{
    const struct pt_lease_place *one = a, *other = b;
    return (one->key > other->key) - (one->key < other->key);
}

// The followed leases in the order of their keys, for the answers to come.
static int place_leases(struct pt_round *round)
{
    size_t count = 0;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    count++;
    round->followed = count;
    round->places = calloc(count ? count : 1, sizeof(*round->places));
    if (!round->places)
        return -ENOMEM;
    TAILQ_FOREACH(lease, &round->leases, link)
    round->places[round->place_count++] = (struct pt_lease_place){lease->key, lease};
    qsort(round->places, count, sizeof(*round->places), compare_places);
    return 0;
}

static struct pt_lease_place *find_place(struct pt_round *round, uint64_t key)
{
    const struct pt_lease_place wanted = {.key = key};
    return bsearch(&wanted, round->places, round->place_count, sizeof(wanted), compare_places);
}

static struct pt_lease *oldest_idle(struct pt_round *round)
{
    struct pt_lease *oldest = NULL;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        bool is_idle = !lease->is_pull && !pt_lease_is_unseen(lease);
        if (is_idle && (!oldest || lease->seen.created_at < oldest->seen.created_at))
            oldest = lease;
    }
    return oldest;
}

// Gives up the oldest lease that shows no pull for one that is newer than that; returns whether.
// *oldest is known from the last call, or NULL.
static bool make_room(struct pt_round *round, int64_t created_at, struct pt_lease **oldest)
{
    if (!*oldest)
        *oldest = oldest_idle(round);
    if (!*oldest || (*oldest)->seen.created_at >= created_at)
        return false;
    struct pt_lease_place *place = find_place(round, (*oldest)->key);
    if (place)
        place->lease = NULL;
    TAILQ_REMOVE(&round->leases, *oldest, link);
    pt_lease_destroy(*oldest);
    *oldest = NULL;
    round->followed--;
    return true;
}

// It rests and goes on to.
static bool rests(struct pt_round *round, struct pt_namespace *namespace, uint64_t key)
{
    struct pt_key_slot *slot = pt_key_set_find(&round->resting, key);
    if (!slot)
        return false;
    if (slot->since < namespace->sign_ns && round->woken < MOST_WOKEN) {
        round->woken++;
        return false;
    }
    slot->round = round->rounds;
    namespace->has_resting = true;
    return true;
}

// A pull that is followed stays so, however many leases there are; of others the newest are.
static void take_leases(struct pt_ask *ask, const void *message)
{
    struct pt_round *round = ask->asks->round;
    struct pt_namespace *namespace = &round->namespaces[ask->index];
    const Ctrd__ListLeasesResponse *list = message;
    struct pt_lease *oldest = NULL;
    if (!list) { // that there are none would end all pulls
        pt_ask_fail_round(ask, "leases cannot be listed");
        return;
    }
    namespace->has_resting = namespace->has_resting && round->is_quick;
    for (size_t i = 0; i < list->n_leases; i++) {
        const char *id = list->leases[i]->id;
        int64_t created_at = pt_containerd_time(list->leases[i]->created_at);
        uint64_t key = pt_lease_key(namespace->name, id, created_at);
        struct pt_lease_place *place = find_place(round, key);
        struct pt_lease *lease = place ? place->lease : NULL;
        if (!lease && rests(round, namespace, key))
            continue;
        if (!lease &&
            (round->followed < PT_LIMIT_LEASES || make_room(round, created_at, &oldest))) {
            lease = pt_lease_create(namespace->name, id, created_at);
            if (!lease)
                continue; // out of memory: the next round tries again
            if (created_at > round->began_at + PT_SET_BACK_NS)
                lease->seen.set_back_ns = created_at - round->began_at;
            TAILQ_INSERT_TAIL(&round->leases, lease, link);
            round->followed++;
        }
        round->has_left_out |= !lease;
        if (!lease)
            continue;
        lease->seen.fate = PT_LEASE_LISTED;
        if (round->is_quick)
            lease->listing = PT_LISTING_QUICK;
    }
}

// A lease that the list would leave out is neither followed nor to be woken.
static bool is_quick_enough(const struct pt_round *round)
{
    if (round->resting.count < MANY || pt_round_has_passed(round, round->listed_ns, LIST_ALL_NS))
        return false;
    for (size_t i = 0; i < round->namespace_count; i++) {
        const struct pt_namespace *namespace = &round->namespaces[i];
        if (namespace->has_sign || namespace->sign_ns >= round->listed_ns)
            return false;
    }
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (pt_lease_is_listed(lease) && lease->listing == PT_LISTING_FULL_ONLY)
            return false;
    }
    return true;
}

void pt_round_ask_leases(struct pt_round *round)
{
    bool is_through = !round->has_left_out && round->woken < MOST_WOKEN;
    round->is_quick = is_through && is_quick_enough(round);
    round->has_left_out = false;
    round->woken = 0;
    if (!round->is_quick)
        round->listed_ns = round->began_ns;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        bool is_to_be_listed = !round->is_quick || lease->listing == PT_LISTING_QUICK;
        if (pt_lease_is_listed(lease) && is_to_be_listed)
            lease->seen.fate = PT_LEASE_MISSED; // unless it is listed again now
    }
    if (place_leases(round) < 0) {
        round->asks.has_failed = true;
        pt_error_set(&round->asks.failure, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < round->namespace_count; i++)
        PT_ASK(&round->asks, NULL, i, take_leases, pt_containerd_list_leases,
               round->namespaces[i].name, round->is_quick ? PULLS_FILTER : NULL);
}

// --- leases at rest ---

void pt_round_note_sign(struct pt_round *round, const char *name)
{
    struct pt_namespace *space = pt_round_find_namespace(round, name);
    if (space)
        space->has_sign = true;
}

// What moves may be of a lease that is too young to be known; then that will show it.
static void judge_sign(const struct pt_round *round, struct pt_namespace *space)
{
    bool is_due = pt_round_has_passed(round, space->sign_ns, REST_NS);
    if (space->has_sign && is_due && !space->has_young)
        space->sign_ns = round->began_ns;
    if (is_due || space->has_young)
        space->has_sign = false;
}

static bool is_explained(const struct pt_round *round, const struct pt_namespace *namespace,
                         const char *digest)
{
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (strcmp(lease->seen.namespace, namespace->name) == 0 &&
            (pt_lease_find_layer(lease, digest) || pt_lease_find_blob(lease, digest)))
            return true;
    }
    return false;
}

// A downloading that no followed lease is known to do.
static bool has_stray_ingest(const struct pt_round *round, const struct pt_namespace *namespace)
{
    for (size_t i = 0; namespace->ingests && i < namespace->ingest_count; i++) {
        const struct pt_ingest *ingest = &namespace->ingests[i];
        if (pt_round_age_ns(round, ingest->updated_at) < 2 * REST_NS &&
            !is_explained(round, namespace, ingest->digest))
            return true;
    }
    return false;
}

// Image volumes have one lease for each pod, named by the pod's sandbox, which holds snapshots.
static bool is_of_sandbox(const struct pt_lease *lease)
{
    const char *id = lease->seen.id;
    return lease->blob_count == 0 && strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

static bool may_rest(const struct pt_round *round, const struct pt_lease *lease)
{
    bool was_asked = pt_lease_is_listed(lease) && lease->asked_ns == round->began_ns;
    if (lease->is_pull || pt_lease_is_unseen(lease) || !was_asked)
        return false;
    return is_of_sandbox(lease) ||
           pt_round_age_ns(round, pt_lease_changed_at(lease)) >= SETTLED_AFTER_NS;
}

static int put_to_rest(struct pt_round *round, const struct pt_lease *lease)
{
    struct pt_key_slot *slot = pt_key_set_find(&round->resting, lease->key);
    if (slot) {
        slot->since = round->began_ns;
        slot->round = round->rounds;
        return 0;
    }
    if (round->resting.count >= PT_LIMIT_RESTING_LEASES)
        return -ENOSPC;
    return pt_key_set_add(&round->resting, lease->key, round->began_ns, round->rounds);
}

// Those that rest and are no longer listed are forgotten.
void pt_round_rest_leases(struct pt_round *round)
{
    if (!round->is_quick)
        pt_key_set_keep(&round->resting, round->rounds);
    struct pt_lease *lease = TAILQ_FIRST(&round->leases);
    while (lease) {
        struct pt_lease *next = TAILQ_NEXT(lease, link);
        if (may_rest(round, lease) && put_to_rest(round, lease) == 0) {
            TAILQ_REMOVE(&round->leases, lease, link);
            pt_lease_destroy(lease);
            round->rested++;
        }
        lease = next;
    }
    if (round->rested < MANY)
        return;
    malloc_trim(0); // their memory is not kept
    round->rested = 0;
}

// --- ingests ---

static void take_ingests(struct pt_ask *ask, const void *message)
{
    struct pt_namespace *namespace = &ask->asks->round->namespaces[ask->index];
    const Ctrd__ListStatusesResponse *list = message;
    if (!list) { // that there are none would stop all downloads
        pt_ask_fail_round(ask, "ingests cannot be listed");
        return;
    }
    if (list->n_statuses == 0)
        return;
    namespace->ingests = calloc(list->n_statuses, sizeof(*namespace->ingests));
    pt_map_init(&namespace->ingest_map);
    for (size_t i = 0; namespace->ingests && i < list->n_statuses; i++) {
        const Ctrd__IngestStatus *status = list->statuses[i];
        const char *digest = pt_ref_digest(status->ref);
        char *copy = digest ? strdup(digest) : NULL;
        if (!copy)
            continue;
        struct pt_ingest *ingest = &namespace->ingests[namespace->ingest_count++];
        *ingest = (struct pt_ingest){copy, status->offset, status->total,
                                     pt_containerd_time(status->started_at),
                                     pt_containerd_time(status->updated_at)};
        if (pt_map_put(&namespace->ingest_map, copy, ingest) < 0)
            return;
    }
    bool is_looked_for = namespace->has_resting && !namespace->has_young;
    namespace->has_sign |= is_looked_for && has_stray_ingest(ask->asks->round, namespace);
}

static void note_followed(struct pt_round *round)
{
    for (size_t i = 0; i < round->namespace_count; i++)
        round->namespaces[i].has_followed = round->namespaces[i].has_young = false;
    const struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        struct pt_namespace *namespace = pt_round_find_namespace(round, lease->seen.namespace);
        // What a pull that was broken off has fetched last is there for a moment yet.
        namespace->has_followed |= lease->is_pull && lease->seen.fate == PT_LEASE_MISSED;
        if (!pt_lease_is_listed(lease))
            continue;
        namespace->has_followed = true;
        namespace->has_young |= !pt_lease_is_settled(lease);
    }
}

// Only a list that has come says what it leaves out.
static void note_listings(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (round->is_quick && lease->listing == PT_LISTING_UNKNOWN)
            lease->listing = PT_LISTING_FULL_ONLY;
    }
}

void pt_round_ask_ingests(struct pt_round *round)
{
    note_listings(round);
    note_followed(round);
    for (size_t i = 0; i < round->namespace_count; i++) {
        struct pt_namespace *namespace = &round->namespaces[i];
        clear_ingests(namespace);
        judge_sign(round, namespace);
        bool is_due = namespace->has_resting &&
                      pt_round_has_passed(round, namespace->ingests_asked_ns, REST_NS);
        if (!namespace->has_followed && !is_due)
            continue;
        namespace->ingests_asked_ns = round->began_ns;
        PT_ASK(&round->asks, NULL, i, take_ingests, pt_containerd_list_ingests, namespace->name);
    }
}

// --- what each lease holds ---

static void take_resources(struct pt_ask *ask, const void *message)
{
    if (message)
        pt_lease_take_resources(ask->lease, message);
    else if (ask->status->code == PT_GRPC_NOT_FOUND)
        ask->lease->seen.fate = PT_LEASE_MISSED; // deleted since
}

void pt_round_ask_resources(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        int64_t every_ns = lease->seen.may_be_silent ? ASK_SILENT_EVERY_NS : ASK_EVERY_NS;
        bool is_due = pt_round_has_passed(round, lease->asked_ns, every_ns);
        lease->is_asked = pt_lease_is_listed(lease) && (is_due || !pt_lease_is_settled(lease));
        if (!lease->is_asked)
            continue;
        lease->asked_ns = round->began_ns;
        PT_ASK(&round->asks, lease, 0, take_resources, pt_containerd_list_resources,
               lease->seen.namespace, lease->seen.id);
    }
}
