// SPDX-License-Identifier: Apache-2.0
#include "server/cluster/kube_feed.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metric_text.h"
#include "base/name_list.h"
#include "base/rhythm.h"
#include "base/timer.h"
#include "base/url.h"
#include "base/warn_pace.h"
#include "kube/event_watch.h"
#include "kube/pod_watch.h"
#include "server/cluster/cluster_nodes.h"
#include "server/cluster/kube_rows.h"
#include "server/correlate/correlate.h"
#include "server/store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Pods, pulls and rows of one step, 0.2 ms when all change. A turn of the loop takes as many steps
// as it has time for.
#define FLUSH_ITEMS 100
#define FLUSH_DELAY_MS 20   // changes of the same moment go out together
#define EVENTS_WAIT_TICKS 3 // for a list of pods that does not come
#define LISTS_WAIT_TICKS 3  // with the rows of pulls, for the first lists
#define AGENTS_WAIT_TICKS (PT_REPORT_AGENTS_KNOWN_MS / 1000)

struct pt_kube_feed {
    struct pt_loop *loop;
    const struct pt_clock *clock;
    struct pt_kube_config config;
    struct pt_kube_client client;
    struct pt_correlate *correlate;
    struct pt_pull_store *store;
    struct pt_timer *flush_timer;
    struct pt_timer *tick_timer;
    struct pt_cluster_nodes *nodes;
    size_t count; // of namespaces, at least 1
    int ticks;
    bool has_more_due;        // nodes than the last tick has marked, which are then dirty
    uint64_t left_out_logged; // pods, nodes and comparisons, by the last warning
    struct pt_warn_pace left_out_pace;
    struct watch_pair {
        char name_space[PT_LIMIT_KUBE_NAME_BYTES + 1]; // empty: all
        struct pt_pod_watch *pods;
        struct pt_event_watch *events; // NULL until the pods are listed
    } * watches;
};

// --- what happens in the cluster ---

static void schedule_flush(struct pt_kube_feed *feed, int64_t delay_ms)
{
    if (!pt_timer_is_started(feed->flush_timer))
        pt_timer_start(feed->flush_timer, delay_ms);
}

static void on_dirty(void *context)
{
    schedule_flush(context, FLUSH_DELAY_MS);
}

static void on_join(void *context, const char *node_name, const char *key,
                    const struct pt_join *join)
{
    struct pt_kube_feed *feed = context;
    pt_store_apply_join(feed->store, node_name, key, join);
}

static void on_row(void *context, const struct pt_image_row *row)
{
    struct pt_kube_feed *feed = context;
    pt_store_apply_row(feed->store, row);
}

static void on_exchange(void *context, const struct pt_row_exchange *exchange)
{
    struct pt_kube_feed *feed = context;
    pt_store_exchange_rows(feed->store, exchange);
}

static bool has_agent(void *context, const char *node_name)
{
    const struct pt_kube_feed *feed = context;
    const struct pt_node *node = pt_store_find_node(feed->store, node_name);
    return feed->ticks < AGENTS_WAIT_TICKS || (node && pt_node_has_reported(node));
}

static void on_waiting(void *context, const struct pt_kube_pod *pod)
{
    struct pt_kube_feed *feed = context;
    pt_loop_note_work(feed->loop);
    pt_correlate_pod(feed->correlate, pod);
}

static void on_pod_end(void *context, const char *pod_uid, enum pt_pod_end end)
{
    struct pt_kube_feed *feed = context;
    pt_loop_note_work(feed->loop);
    pt_correlate_pod_end(feed->correlate, pod_uid, end);
}

static void on_event(void *context, const struct pt_kube_event *event)
{
    struct pt_kube_feed *feed = context;
    pt_loop_note_work(feed->loop);
    pt_correlate_event(feed->correlate, event);
}

// What they say is concluded first, and then the pulls that were held back get their rows.
static void on_events_listed(void *context)
{
    schedule_flush(context, FLUSH_DELAY_MS);
}

// Events are listed behind the pods, so that one whose pod is not known is of a pod that is gone.
// Without pods, as for want of rights, they are listed all the same.
static void start_event_watches(struct pt_kube_feed *feed)
{
    const struct pt_event_watch_handler handler = {
        .on_event = on_event, .on_listed = on_events_listed, .context = feed};
    struct pt_error err;
    for (size_t i = 0; i < feed->count; i++) {
        struct watch_pair *pair = &feed->watches[i];
        const char *name_space = *pair->name_space ? pair->name_space : NULL;
        bool is_time =
            pt_pod_watch_state(pair->pods)->is_listed || feed->ticks >= EVENTS_WAIT_TICKS;
        if (pair->events || !is_time)
            continue;
        if (pt_event_watch_create(&feed->client, name_space, &handler, &pair->events, &err) < 0)
            pt_log_warn("kubernetes.events_failed", pt_log_text("error", err.message));
    }
}

static void on_listed(void *context)
{
    start_event_watches(context);
}

static void end_listing(struct pt_kube_feed *feed)
{
    if (!pt_kube_feed_missing(feed) || feed->ticks >= LISTS_WAIT_TICKS)
        pt_correlate_set_listing(feed->correlate, false);
}

static void on_flush(void *context)
{
    struct pt_kube_feed *feed = context;
    bool more;
    do {
        more = pt_correlate_flush(feed->correlate, FLUSH_ITEMS);
        if (!more && feed->has_more_due)
            more = feed->has_more_due = pt_correlate_tick(feed->correlate);
    } while (more && !pt_loop_turn_is_over(feed->loop));
    if (!more) {
        end_listing(feed);
        return;
    }
    schedule_flush(feed, 0);
    pt_loop_end_turn(feed->loop); // what else there is to do has a turn of its own
}

static uint64_t left_out_pods(const struct pt_kube_feed *feed)
{
    uint64_t count = pt_correlate_figures(feed->correlate).left_out_pods;
    for (size_t i = 0; i < feed->count; i++)
        count += pt_pod_watch_left_out(feed->watches[i].pods);
    return count;
}

static void warn_of_left_out(struct pt_kube_feed *feed)
{
    uint64_t pods = left_out_pods(feed);
    const struct pt_correlate_figures figures = pt_correlate_figures(feed->correlate);
    uint64_t nodes = figures.left_out_nodes;
    if (pods + nodes + figures.shortened == feed->left_out_logged ||
        !pt_warn_pace_admits(&feed->left_out_pace, pt_clock_monotonic_ns(feed->clock)))
        return;
    feed->left_out_logged = pods + nodes + figures.shortened;
    pt_log_warn("kubernetes.left_out", pt_log_int("pods", (int64_t)pods),
                pt_log_int("nodes", (int64_t)nodes),
                pt_log_int("shortenedComparisons", (int64_t)figures.shortened),
                pt_log_int("maxContainersPerNode", PT_LIMIT_CONTAINERS_PER_NODE),
                pt_log_int("maxWaitingPods", PT_LIMIT_WAITING_PODS));
}

static void on_tick(void *context)
{
    struct pt_kube_feed *feed = context;
    if (feed->ticks < AGENTS_WAIT_TICKS && ++feed->ticks == EVENTS_WAIT_TICKS)
        start_event_watches(feed);
    if (feed->ticks == LISTS_WAIT_TICKS)
        end_listing(feed);
    feed->has_more_due = pt_correlate_tick(feed->correlate);
    warn_of_left_out(feed);
}

// --- the start ---

static int add_watches(struct pt_kube_feed *feed, const char *name_space, struct pt_error *err)
{
    const struct pt_pod_watch_handler handler = {on_waiting, on_pod_end, on_listed, feed};
    struct watch_pair *longer = realloc(feed->watches, (feed->count + 1) * sizeof(*longer));
    if (!longer)
        return pt_error_set(err, ENOMEM, "out of memory");
    struct watch_pair *pair = &longer[feed->count];
    feed->watches = longer;
    *pair = (struct watch_pair){0};
    snprintf(pair->name_space, sizeof(pair->name_space), "%s", name_space ? name_space : "");
    int r = pt_pod_watch_create(&feed->client, name_space, &handler, &pair->pods, err);
    if (r == 0)
        feed->count++;
    return r;
}

static int add_all_watches(struct pt_kube_feed *feed, const char *namespaces, struct pt_error *err)
{
    char name[PT_LIMIT_KUBE_NAME_BYTES + 1];
    const char *item;
    size_t length;
    if (!*namespaces)
        return add_watches(feed, NULL, err);
    int r = 0;
    while (r == 0 && (item = pt_name_list_next(&namespaces, &length))) {
        snprintf(name, sizeof(name), "%.*s", (int)length, item);
        r = add_watches(feed, name, err);
    }
    return r;
}

static int start(struct pt_kube_feed *feed, const struct pt_kube_feed_settings *settings,
                 struct pt_error *err)
{
    struct event_base *base = pt_loop_base(feed->loop);
    const struct pt_correlate_output output = {.on_join = on_join,
                                               .on_row = on_row,
                                               .on_exchange = on_exchange,
                                               .has_agent = has_agent,
                                               .on_dirty = on_dirty,
                                               .context = feed};
    feed->flush_timer = pt_timer_create(base, feed->clock, on_flush, feed);
    feed->tick_timer = pt_timer_create(base, feed->clock, on_tick, feed);
    if (!feed->flush_timer || !feed->tick_timer ||
        pt_correlate_create(feed->clock, settings->max_nodes, &output, &feed->correlate) < 0)
        return pt_error_set(err, ENOMEM, "out of memory");
    pt_correlate_set_listing(feed->correlate, true);
    pt_correlate_keep_pods(feed->correlate, settings->gone_pods_ttl_ns,
                           settings->gone_pods_max_bytes);
    int r = pt_http_client_create(base, &feed->client.http, err);
    if (r < 0)
        return r;
    feed->client.base = base;
    feed->client.config = &feed->config;
    feed->client.clock = feed->clock;
    feed->client.random = pt_kube_random;
    pt_kube_rows_attach(feed->store, feed->correlate);
    pt_timer_start_every(feed->tick_timer, 1000);
    r = pt_cluster_nodes_create(&feed->client, settings->max_nodes, &feed->nodes, err);
    return r < 0 ? r : add_all_watches(feed, settings->namespaces, err);
}

static void warn_of_plain_token(const struct pt_kube_config *config)
{
    if (*pt_secret_get(config->token) && pt_url_is_in_clear(config->url))
        pt_log_warn("kubernetes.token_in_clear", pt_log_text("url", config->url));
}

int pt_kube_feed_create(struct pt_loop *loop, const struct pt_clock *clock,
                        const struct pt_kube_feed_settings *settings, struct pt_pull_store *store,
                        struct pt_kube_feed **ret_feed, struct pt_error *err)
{
    struct pt_kube_config config;
    int r = pt_kube_config_load(&settings->kube, getenv, NULL, &config, err);
    if (r < 0)
        return r;
    if (!config.url) {
        pt_log_info("kubernetes.off", pt_log_text("text", "pulls are shown without their pods"));
        *ret_feed = NULL;
        return 0;
    }
    struct pt_kube_feed *feed = calloc(1, sizeof(*feed));
    if (!feed) {
        pt_kube_config_finish(&config);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    feed->config = config;
    feed->loop = loop;
    feed->clock = clock;
    feed->store = store;
    r = start(feed, settings, err);
    if (r < 0) {
        pt_kube_feed_destroy(feed);
        return r;
    }
    warn_of_plain_token(&feed->config);
    pt_log_info("kubernetes.started", pt_log_text("url", config.url),
                pt_log_text("from", config.source),
                pt_log_text("namespaces", settings->namespaces));
    *ret_feed = feed;
    return 0;
}

void pt_kube_feed_destroy(struct pt_kube_feed *feed)
{
    if (!feed)
        return;
    pt_store_set_hooks(feed->store, NULL);
    for (size_t i = 0; i < feed->count; i++) {
        pt_pod_watch_destroy(feed->watches[i].pods);
        pt_event_watch_destroy(feed->watches[i].events);
    }
    free(feed->watches);
    pt_cluster_nodes_destroy(feed->nodes);
    pt_http_client_destroy(feed->client.http);
    pt_correlate_destroy(feed->correlate);
    pt_timer_destroy(feed->flush_timer);
    pt_timer_destroy(feed->tick_timer);
    pt_kube_config_finish(&feed->config);
    free(feed);
}

// --- what it is like ---

const char *pt_kube_feed_missing(const struct pt_kube_feed *feed)
{
    for (size_t i = 0; feed && i < feed->count; i++) {
        if (!pt_pod_watch_state(feed->watches[i].pods)->is_listed)
            return "the first list of pods has not come from the Kubernetes API yet";
        if (!feed->watches[i].events || !pt_event_watch_state(feed->watches[i].events)->is_listed)
            return "the first list of events has not come from the Kubernetes API yet";
    }
    return NULL;
}

const struct pt_correlate *pt_kube_feed_pods(const struct pt_kube_feed *feed)
{
    return feed ? feed->correlate : NULL;
}

struct pt_cluster_nodes *pt_kube_feed_nodes(const struct pt_kube_feed *feed)
{
    return feed ? feed->nodes : NULL;
}

const struct pt_kube_client *pt_kube_feed_client(const struct pt_kube_feed *feed)
{
    return feed ? &feed->client : NULL;
}

size_t pt_kube_feed_waiting_pods(const struct pt_kube_feed *feed)
{
    return feed ? pt_correlate_figures(feed->correlate).waiting_pods : 0;
}

// Sums of all watches of one collection.
struct watch_sums {
    size_t current;
    uint64_t lists, failures, too_large, bad;
};

static void add_up(struct watch_sums *sums, const struct pt_kube_watch_state *state)
{
    sums->current += state->is_watching;
    sums->lists += state->lists;
    sums->failures += state->failures;
    sums->too_large += state->too_large_objects;
    sums->bad += state->bad_objects;
}

static void write_resources(struct pt_buffer *out, const char *name, const char *type,
                            const char *help, uint64_t pods, uint64_t events, uint64_t nodes)
{
    pt_metric_head(out, name, type, help);
    (void)pt_buffer_printf(out,
                           "%s{resource=\"pods\"} %llu\n%s{resource=\"events\"} %llu\n"
                           "%s{resource=\"nodes\"} %llu\n",
                           name, (unsigned long long)pods, name, (unsigned long long)events, name,
                           (unsigned long long)nodes);
}

static void write_counter(struct pt_buffer *out, const char *name, const char *help, uint64_t value)
{
    pt_metric_number(out, name, "counter", help, value);
}

static void write_gone_pods(struct pt_buffer *out, const struct pt_correlate_figures *figures)
{
    pt_metric_number(out, "pulltrace_kubernetes_gone_pods", "gauge",
                     "Pods that no longer wait and are kept for readers.", figures->gone_pods);
    write_counter(out, "pulltrace_kubernetes_gone_pods_dropped_total",
                  "Of these, how many were let go before their time because there are too many.",
                  figures->dropped_pods);
}

void pt_kube_feed_write_metrics(const struct pt_kube_feed *feed, struct pt_buffer *out)
{
    struct watch_sums pods = {0}, events = {0}, nodes = {0};
    size_t wanted = feed ? feed->count : 0;
    struct pt_correlate_figures figures = {0};
    uint64_t left_out_nodes = 0;
    bool lists_nodes = feed && pt_cluster_nodes_state(feed->nodes)->is_listed;
    if (feed) {
        figures = pt_correlate_figures(feed->correlate);
        left_out_nodes = figures.left_out_nodes + pt_cluster_nodes_left_out(feed->nodes);
        add_up(&nodes, pt_cluster_nodes_state(feed->nodes));
    }
    uint64_t left_out = feed ? left_out_pods(feed) : 0;
    for (size_t i = 0; i < wanted; i++) {
        add_up(&pods, pt_pod_watch_state(feed->watches[i].pods));
        if (feed->watches[i].events)
            add_up(&events, pt_event_watch_state(feed->watches[i].events));
    }
    write_resources(
        out, "pulltrace_kubernetes_watches_wanted", "gauge",
        "Watches of the Kubernetes API that there should be; 0 when it is not configured.", wanted,
        wanted, lists_nodes);
    write_resources(out, "pulltrace_kubernetes_watches_current", "gauge",
                    "Watches that stand, so that what they say is current.", pods.current,
                    events.current, nodes.current);
    write_resources(out, "pulltrace_kubernetes_lists_total", "counter", "Whole lists taken.",
                    pods.lists, events.lists, nodes.lists);
    write_resources(out, "pulltrace_kubernetes_watch_failures_total", "counter",
                    "Lists and watches that failed.", pods.failures, events.failures,
                    nodes.failures);
    write_resources(out, "pulltrace_kubernetes_objects_too_large_total", "counter",
                    "Objects skipped because they were too large.", pods.too_large,
                    events.too_large, nodes.too_large);
    write_resources(out, "pulltrace_kubernetes_objects_invalid_total", "counter",
                    "Objects skipped because they were not valid.", pods.bad, events.bad,
                    nodes.bad);
    write_counter(out, "pulltrace_kubernetes_pods_left_out_total",
                  "How often a pod was passed over because too many wait, in all or on its node.",
                  left_out);
    write_counter(
        out, "pulltrace_kubernetes_comparisons_shortened_total",
        "How often a pull was compared with a part of its node's waiting containers, since "
        "the node has very many of both.",
        figures.shortened);
    write_gone_pods(out, &figures);
    write_counter(out, "pulltrace_kubernetes_nodes_left_out_total",
                  "How often a pod or a pull was passed over because there are too many nodes.",
                  left_out_nodes);
}
