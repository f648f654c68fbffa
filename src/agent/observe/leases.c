// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/steps.h"

#include "base/limits.h"
#include "pull/digest.h"

#include <stdlib.h>
#include <string.h>

// A lease that shows no sign of a pull after this time is looked at less often.
#define SETTLED_AFTER_NS (30 * PT_NS_PER_S)
#define REST_NS (10 * PT_NS_PER_S)
// Once its layers are known, ingests and events tell all of a lease that moves; what it holds is
// asked for in case an event was missed, or another lease has taken over its ingests.
#define ASK_EVERY_NS (3 * PT_NS_PER_S)

// --- namespaces ---

struct pt_namespace *pt_observer_find_namespace(struct pt_observer *observer, const char *name)
{
    for (size_t i = 0; i < observer->namespace_count; i++) {
        if (strcmp(observer->namespaces[i].name, name) == 0)
            return &observer->namespaces[i];
    }
    return NULL;
}

void pt_observer_add_namespace(struct pt_observer *observer, const char *name, size_t length)
{
    char text[PT_LIMIT_NAME_BYTES + 1];
    if (length == 0 || length >= sizeof(text) ||
        observer->namespace_count == PT_LIMIT_CONTAINERD_NAMESPACES)
        return;
    memcpy(text, name, length);
    text[length] = '\0';
    if (pt_observer_find_namespace(observer, text))
        return;
    struct pt_namespace *namespace = &observer->namespaces[observer->namespace_count];
    namespace->name = strdup(text);
    if (namespace->name)
        observer->namespace_count++;
}

static void take_namespaces(struct pt_ask *ask, const void *message)
{
    const Ctrd__ListNamespacesResponse *list = message;
    for (size_t i = 0; list && i < list->n_namespaces; i++) {
        const char *name = list->namespaces[i]->name;
        pt_observer_add_namespace(ask->asks->observer, name, strlen(name));
    }
}

void pt_observer_ask_namespaces(struct pt_observer *observer)
{
    if (observer->all_namespaces)
        PT_ASK(&observer->asks, NULL, 0, take_namespaces, pt_containerd_list_namespaces);
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

static struct pt_lease *find_lease(struct pt_observer *observer, const char *namespace,
                                   const char *id, int64_t created_at)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        if (lease->seen.created_at == created_at && strcmp(lease->seen.id, id) == 0 &&
            strcmp(lease->seen.namespace, namespace) == 0)
            return lease;
    }
    return NULL;
}

// Gives up the oldest lease that shows no pull for one that is newer than that; returns whether.
static bool make_room(struct pt_observer *observer, int64_t created_at)
{
    struct pt_lease *oldest = NULL;
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        bool is_idle = !lease->is_pull && !lease->is_unseen;
        if (is_idle && (!oldest || lease->seen.created_at < oldest->seen.created_at))
            oldest = lease;
    }
    if (!oldest || oldest->seen.created_at >= created_at)
        return false;
    TAILQ_REMOVE(&observer->leases, oldest, link);
    pt_lease_destroy(oldest);
    return true;
}

// A pull that is followed stays so, however many leases there are; of others the newest are.
static void take_leases(struct pt_ask *ask, const void *message)
{
    struct pt_observer *observer = ask->asks->observer;
    const char *namespace = observer->namespaces[ask->index].name;
    const Ctrd__ListLeasesResponse *list = message;
    size_t followed = 0;
    struct pt_lease *lease;
    if (!list) { // that there are none would end all pulls
        pt_ask_fail_round(ask, "leases cannot be listed");
        return;
    }
    TAILQ_FOREACH(lease, &observer->leases, link)
    followed++;
    for (size_t i = 0; i < list->n_leases; i++) {
        int64_t created_at = pt_containerd_time(list->leases[i]->created_at);
        lease = find_lease(observer, namespace, list->leases[i]->id, created_at);
        if (!lease && (followed < PT_LIMIT_LEASES || make_room(observer, created_at))) {
            lease = pt_lease_create(namespace, list->leases[i]->id, created_at);
            if (!lease)
                continue; // out of memory: the next round tries again
            TAILQ_INSERT_TAIL(&observer->leases, lease, link);
            followed++;
        }
        if (lease)
            lease->seen.fate = PT_LEASE_LISTED;
    }
}

void pt_observer_ask_leases(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        if (pt_lease_is_listed(lease))
            lease->seen.fate = PT_LEASE_MISSED; // unless it is listed again now
    }
    for (size_t i = 0; i < observer->namespace_count; i++)
        PT_ASK(&observer->asks, NULL, i, take_leases, pt_containerd_list_leases,
               observer->namespaces[i].name);
}

// --- ingests ---

static void take_ingests(struct pt_ask *ask, const void *message)
{
    struct pt_namespace *namespace = &ask->asks->observer->namespaces[ask->index];
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

static bool rests(const struct pt_observer *observer, const struct pt_lease *lease)
{
    return !lease->is_pull && observer->began_at - lease->seen.created_at >= SETTLED_AFTER_NS &&
           observer->began_at - lease->asked_at < REST_NS;
}

void pt_observer_ask_ingests(struct pt_observer *observer)
{
    for (size_t i = 0; i < observer->namespace_count; i++) {
        clear_ingests(&observer->namespaces[i]);
        observer->namespaces[i].has_pulls = false;
    }
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        lease->is_resting = pt_lease_is_listed(lease) && rests(observer, lease);
        if (pt_lease_is_listed(lease) && !lease->is_resting)
            pt_observer_find_namespace(observer, lease->seen.namespace)->has_pulls = true;
    }
    for (size_t i = 0; i < observer->namespace_count; i++) {
        if (observer->namespaces[i].has_pulls)
            PT_ASK(&observer->asks, NULL, i, take_ingests, pt_containerd_list_ingests,
                   observer->namespaces[i].name);
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

void pt_observer_ask_resources(struct pt_observer *observer)
{
    struct pt_lease *lease;
    TAILQ_FOREACH(lease, &observer->leases, link)
    {
        bool is_due = observer->began_at - lease->asked_at >= ASK_EVERY_NS;
        lease->is_asked = pt_lease_is_listed(lease) && !lease->is_resting &&
                          (is_due || !pt_lease_is_settled(lease));
        if (!lease->is_asked)
            continue;
        lease->asked_at = observer->began_at;
        PT_ASK(&observer->asks, lease, 0, take_resources, pt_containerd_list_resources,
               lease->seen.namespace, lease->seen.id);
    }
}
