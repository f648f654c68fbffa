// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "base/limits.h"
#include "pull/digest.h"

#include <stdlib.h>
#include <string.h>

// A lease that shows no sign of a pull after this time is looked at less often.
#define SETTLED_AFTER_NS (30 * PT_NS_PER_S)
#define REST_NS (10 * PT_NS_PER_S)
// Once a lease's layers are known, ingests and events show all that moves. What it holds is asked
// for less often, in case an event was missed or another lease has taken over its ingests.
#define ASK_EVERY_NS (3 * PT_NS_PER_S)

// --- namespaces ---

struct pt_namespace *pt_round_find_namespace(struct pt_round *round, const char *name)
{
    for (size_t i = 0; i < round->namespace_count; i++) {
        if (strcmp(round->namespaces[i].name, name) == 0)
            return &round->namespaces[i];
    }
    return NULL;
}

void pt_round_add_namespace(struct pt_round *round, const char *name, size_t length)
{
    char text[PT_LIMIT_NAME_BYTES + 1];
    if (length == 0 || length >= sizeof(text) ||
        round->namespace_count == PT_LIMIT_CONTAINERD_NAMESPACES)
        return;
    memcpy(text, name, length);
    text[length] = '\0';
    if (pt_round_find_namespace(round, text))
        return;
    struct pt_namespace *namespace = &round->namespaces[round->namespace_count];
    namespace->name = strdup(text);
    if (namespace->name)
        round->namespace_count++;
}

static void take_namespaces(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListNamespacesResponse *list = message;
    for (size_t i = 0; list && i < list->n_namespaces; i++) {
        const char *name = list->namespaces[i]->name;
        pt_round_add_namespace(ask->asks->round, name, strlen(name));
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

static struct pt_lease *find_lease(struct pt_round *round, const char *namespace, const char *id,
                                   int64_t created_at)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (lease->seen.created_at == created_at && strcmp(lease->seen.id, id) == 0 &&
            strcmp(lease->seen.namespace, namespace) == 0)
            return lease;
    }
    return NULL;
}

// Gives up the oldest lease that shows no pull for one that is newer than that; returns whether.
static bool make_room(struct pt_round *round, int64_t created_at)
{
    struct pt_lease *oldest = NULL;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        bool is_idle = !lease->is_pull && !lease->is_unseen;
        if (is_idle && (!oldest || lease->seen.created_at < oldest->seen.created_at))
            oldest = lease;
    }
    if (!oldest || oldest->seen.created_at >= created_at)
        return false;
    TAILQ_REMOVE(&round->leases, oldest, link);
    pt_lease_destroy(oldest);
    return true;
}

// A pull that is followed stays so, however many leases there are; of others the newest are.
static void take_leases(struct pt_ask *ask, const void *message)
{
    struct pt_round *round = ask->asks->round;
    const char *namespace = round->namespaces[ask->index].name;
    const Ctrd__ListLeasesResponse *list = message;
    size_t followed = 0;
    struct pt_lease *lease;
    if (!list) { // that there are none would end all pulls
        pt_ask_fail_round(ask, "leases cannot be listed");
        return;
    }
    TAILQ_FOREACH(lease, &round->leases, link)
    followed++;
    for (size_t i = 0; i < list->n_leases; i++) {
        int64_t created_at = pt_containerd_time(list->leases[i]->created_at);
        lease = find_lease(round, namespace, list->leases[i]->id, created_at);
        if (!lease && (followed < PT_LIMIT_LEASES || make_room(round, created_at))) {
            lease = pt_lease_create(namespace, list->leases[i]->id, created_at);
            if (!lease)
                continue; // out of memory: the next round tries again
            TAILQ_INSERT_TAIL(&round->leases, lease, link);
            followed++;
        }
        if (lease)
            lease->seen.fate = PT_LEASE_LISTED;
    }
}

void pt_round_ask_leases(struct pt_round *round)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        if (pt_lease_is_listed(lease))
            lease->seen.fate = PT_LEASE_MISSED; // unless it is listed again now
    }
    for (size_t i = 0; i < round->namespace_count; i++)
        PT_ASK(&round->asks, NULL, i, take_leases, pt_containerd_list_leases,
               round->namespaces[i].name);
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
}

static bool rests(const struct pt_round *round, const struct pt_lease *lease)
{
    return !lease->is_pull && round->began_at - lease->seen.created_at >= SETTLED_AFTER_NS &&
           round->began_at - lease->asked_at < REST_NS;
}

void pt_round_ask_ingests(struct pt_round *round)
{
    for (size_t i = 0; i < round->namespace_count; i++) {
        clear_ingests(&round->namespaces[i]);
        round->namespaces[i].has_pulls = false;
    }
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &round->leases, link)
    {
        lease->is_resting = pt_lease_is_listed(lease) && rests(round, lease);
        if (pt_lease_is_listed(lease) && !lease->is_resting)
            pt_round_find_namespace(round, lease->seen.namespace)->has_pulls = true;
    }
    for (size_t i = 0; i < round->namespace_count; i++) {
        if (round->namespaces[i].has_pulls)
            PT_ASK(&round->asks, NULL, i, take_ingests, pt_containerd_list_ingests,
                   round->namespaces[i].name);
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
        bool is_due = round->began_at - lease->asked_at >= ASK_EVERY_NS;
        lease->is_asked = pt_lease_is_listed(lease) && !lease->is_resting &&
                          (is_due || !pt_lease_is_settled(lease));
        if (!lease->is_asked)
            continue;
        lease->asked_at = round->began_at;
        PT_ASK(&round->asks, lease, 0, take_resources, pt_containerd_list_resources,
               lease->seen.namespace, lease->seen.id);
    }
}
