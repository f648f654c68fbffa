// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_GONE_PODS_H
#define PT_SERVER_CORRELATE_GONE_PODS_H

#include "base/map.h"
#include "server/correlate/correlate.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

// The last that was seen of pods in which nothing waits any more, so that the page of a pod answers
// when it is asked for late. The oldest give way at the limits of number and bytes.

struct gone_pod;

struct pt_gone_pods {
    struct pt_map by_name;        // namespace/name
    TAILQ_HEAD(, gone_pod) order; // the oldest first
    int64_t ttl_ns;
    size_t max_count, max_bytes; // 0: none is kept
    size_t bytes;
    uint64_t dropped; // before their time
};

void pt_gone_pods_init(struct pt_gone_pods *pods);
void pt_gone_pods_finish(struct pt_gone_pods *pods);

// Keeps a copy of the view, whose pod is known as `key`, in place of an older one of that name.
// When memory runs out, none is kept.
void pt_gone_pods_add(struct pt_gone_pods *pods, const char *key, const struct pt_pod_view *view,
                      int64_t now_ns);

// Lets go of those that are older than ttl_ns, of many a thousand at once, the oldest first.
void pt_gone_pods_expire(struct pt_gone_pods *pods, int64_t now_ns);

// False: none of that name is kept. The view's text is borrowed until the next change.
bool pt_gone_pods_find(const struct pt_gone_pods *pods, const char *key,
                       struct pt_pod_view *ret_view);

#endif
