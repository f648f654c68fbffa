// SPDX-License-Identifier: Apache-2.0
#include "server/stream/pull_filter.h"

#include "pull/join.h"
#include <errno.h>
#include <string.h>

int pt_pull_filter_read(const struct pt_query *query, struct pt_pull_filter *ret_filter,
                        struct pt_error *err)
{
    static const char *const names[] = {
        [PT_STATUS_ANY] = "any",
        [PT_STATUS_ACTIVE] = "active",
        [PT_STATUS_COMPLETED] = "completed",
        [PT_STATUS_FAILED] = "failed",
    };
    const char *status = pt_query_get(query, "status");
    struct pt_pull_filter filter = {
        .node = pt_query_get(query, "node"),
        .namespace = pt_query_get(query, "namespace"),
        .pod = pt_query_get(query, "pod"),
        .image = pt_query_get(query, "image"),
    };
    if (status) {
        size_t i = 1;
        while (i < sizeof(names) / sizeof(names[0]) && strcmp(names[i], status) != 0)
            i++;
        if (i == sizeof(names) / sizeof(names[0]))
            return pt_error_set(err, EINVAL, "status: must be active, completed or failed");
        filter.status = (enum pt_status_filter)i;
    }
    *ret_filter = filter;
    return 0;
}

static bool matches_status(enum pt_status_filter wanted, enum pt_pull_phase phase)
{
    switch (wanted) {
    case PT_STATUS_ANY:
        return true;
    case PT_STATUS_ACTIVE:
        return !pt_pull_phase_is_final(phase);
    case PT_STATUS_COMPLETED:
        return phase == PT_PULL_COMPLETED;
    case PT_STATUS_FAILED:
        return phase == PT_PULL_FAILED;
    }
    return false;
}

static bool has_pod(const struct pt_pull_filter *filter, const struct pt_stored_pull *stored)
{
    const struct pt_join *join = pt_stored_pull_join(stored);
    for (size_t i = 0; join && i < join->waiting_count; i++) {
        const struct pt_waiting_container *waiting = &join->waiting[i];
        if ((!filter->namespace || strcmp(filter->namespace, waiting->namespace) == 0) &&
            (!filter->pod || strcmp(filter->pod, waiting->pod) == 0))
            return true;
    }
    return false;
}

bool pt_pull_filter_matches_text(const struct pt_pull_filter *filter,
                                 const struct pt_stored_pull *stored)
{
    if (filter->node && strcmp(filter->node, pt_stored_pull_node_name(stored)) != 0)
        return false;
    if ((filter->namespace || filter->pod) && !has_pod(filter, stored))
        return false;
    if (!filter->image || strcasestr(pt_stored_pull_image_ref(stored), filter->image))
        return true;
    const char *repository = pt_stored_pull_model(stored)->repository;
    return repository && strcasestr(repository, filter->image);
}

bool pt_pull_filter_matches(const struct pt_pull_filter *filter,
                            const struct pt_stored_pull *stored)
{
    return matches_status(filter->status, pt_stored_pull_model(stored)->phase) &&
           pt_pull_filter_matches_text(filter, stored);
}
