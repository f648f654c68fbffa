// SPDX-License-Identifier: Apache-2.0
#ifndef PT_KUBE_WATCH_TROUBLE_H
#define PT_KUBE_WATCH_TROUBLE_H

#include "base/backoff.h"
#include "kube/kube_client.h"

#include <stdbool.h>
#include <stdint.h>

// What a watch does about its failures: how long it waits before it tries again, and what is logged
// of them, each kind once. All zero but for the names is one without any.
struct pt_watch_trouble {
    const char *collection, *name_space; // borrowed; an empty namespace: all
    struct pt_backoff backoff;
    bool was_forbidden;
    char logged[256]; // words of the failure logged last; empty: all is well
};

// A try has failed, with a code of HTTP or 0. Returns how many ns to wait, no less than the answer
// asks for.
int64_t pt_watch_trouble_failed(struct pt_watch_trouble *trouble,
                                const struct pt_kube_client *client, int code,
                                int64_t retry_after_s, const char *why);

// An optional collection is forbidden; the right to it may be given later. Returns the same.
int64_t pt_watch_trouble_refused(struct pt_watch_trouble *trouble, const char *why);

// It works.
void pt_watch_trouble_over(struct pt_watch_trouble *trouble, int64_t now_ns);

#endif
