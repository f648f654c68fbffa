// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CLUSTER_KUBE_FEED_H
#define PT_SERVER_CLUSTER_KUBE_FEED_H

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "kube/kube_config.h"
#include "server/store/pull_store.h"

#include <stdbool.h>
#include <stddef.h>

struct pt_loop;
struct pt_cluster_nodes;
struct pt_kube_client;
struct pt_correlate;

// Follows Kubernetes and lets the store's rows know of it. Without it, or while it does not answer,
// pulls are tracked all the same.
struct pt_kube_feed;

struct pt_kube_feed_settings {
    struct pt_kube_settings kube;
    const char *namespaces;   // a valid list of names, comma-separated; empty: all
    size_t max_nodes;         // as the store has
    int64_t gone_pods_ttl_ns; // what was seen last of a pod is kept for so long
    size_t gone_pods_max_bytes;
};

// *ret_feed is NULL when Kubernetes is not configured. -EINVAL and others name the setting
// that is wrong.
PT_MUST_CHECK int pt_kube_feed_create(struct pt_loop *loop, const struct pt_clock *clock,
                                      const struct pt_kube_feed_settings *settings,
                                      struct pt_pull_store *store, struct pt_kube_feed **ret_feed,
                                      struct pt_error *err);
void pt_kube_feed_destroy(struct pt_kube_feed *feed);

// NULL when the first lists are in, or `feed` is NULL; else what is missing, static text.
const char *pt_kube_feed_missing(const struct pt_kube_feed *feed);

// The pods that wait, see correlate.h; NULL if `feed` is NULL.
const struct pt_correlate *pt_kube_feed_pods(const struct pt_kube_feed *feed);

// The nodes that the API server lists, see cluster_nodes.h; NULL if `feed` is NULL.
struct pt_cluster_nodes *pt_kube_feed_nodes(const struct pt_kube_feed *feed);

// How the API server is asked; NULL if `feed` is NULL.
const struct pt_kube_client *pt_kube_feed_client(const struct pt_kube_feed *feed);

// Pods that wait for images; 0 if `feed` is NULL.
size_t pt_kube_feed_waiting_pods(const struct pt_kube_feed *feed);

// Appends the metrics of it; with NULL, that it is not configured.
void pt_kube_feed_write_metrics(const struct pt_kube_feed *feed, struct pt_buffer *out);

#endif
