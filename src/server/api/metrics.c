// SPDX-License-Identifier: Apache-2.0
#include "server/api/metrics.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric_text.h"
#include "pull/fields.h"
#include "server/api/process_figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Of the bounds, as many as pulltrace_pull_duration_seconds has had from the first version on.
#define V1_BOUNDS 8
#define WITHOUT_QUEUE                                                                              \
    "The time in the kubelet's queue does not count, as it does in the kubelet's own figures."

_Static_assert(PT_METRICS_MAX_BYTES >= PT_METRICS_REST_BYTES + (PT_NAMED_REGISTRIES + 1) *
                                                                   PT_METRICS_REGISTRY_LINES *
                                                                   PT_METRICS_LINE_BYTES,
               "no names of registries make the metrics too long");

static const char *const rejection_names[PT_REJECTION_COUNT] = {
    [PT_REJECTED_ADDRESS] = "address",
    [PT_REJECTED_TOKEN] = "token",
    [PT_REJECTED_TOKEN_UNCHECKED] = "token_unchecked",
    [PT_REJECTED_NODE] = "node",
    [PT_REJECTED_ORIGIN] = "origin",
    [PT_REJECTED_CONTENT_TYPE] = "content_type",
    [PT_REJECTED_INVALID] = "invalid",
    [PT_REJECTED_TOO_LARGE] = "too_large",
    [PT_REJECTED_TOO_SOON] = "too_soon",
    [PT_REJECTED_NODE_LIMIT] = "node_limit",
    [PT_REJECTED_STORE_MEMORY] = "store_memory",
    [PT_REJECTED_NODE_MEMORY] = "node_memory",
    [PT_REJECTED_PULL_LIMIT] = "pull_limit",
    [PT_REJECTED_NODE_PULL_LIMIT] = "node_pull_limit",
    [PT_REJECTED_MEMORY] = "memory",
    [PT_REJECTED_NOT_SHARED] = "not_shared",
};

// --- counting ---

static uint64_t all_failed(const struct pt_metrics *metrics)
{
    uint64_t sum = 0;
    for (int i = 0; i < PT_FAILURE_CLASS_COUNT; i++)
        sum += i != PT_FAILURE_STALE ? metrics->pulls_failed[i] : 0;
    return sum;
}

void pt_metrics_note_failure(struct pt_metrics *metrics, enum pt_failure_class error_class)
{
    metrics->ends++;
    metrics->pulls_failed[error_class]++;
}

void pt_metrics_note_end(struct pt_metrics *metrics, const struct pt_stored_pull *stored)
{
    struct pt_layer_rate rates[PT_LIMIT_LAYERS_PER_PULL];
    const struct pt_pull *pull = pt_stored_pull_model(stored);
    if (pull->phase == PT_PULL_FAILED) {
        pt_metrics_note_failure(metrics, pull->error_class);
        return;
    }
    metrics->ends++;
    if (pull->kind == PT_KIND_CHECK) {
        metrics->checks++;
        return;
    }
    metrics->pulls_completed++;
    if (pt_stored_pull_is_of_kubelet(stored))
        return; // how long its layers took is not known
    for (size_t i = 0; i < pull->layer_count; i++)
        metrics->source_bytes[pull->layers[i].source] += (uint64_t)pull->layers[i].total_bytes;
    struct pt_pull_status status = pt_stored_pull_status(stored, rates);
    pt_histogram_add(&metrics->total_seconds,
                     (double)(pull->completed_at - pull->started_at) / (double)PT_NS_PER_S);
    pt_histogram_add(&metrics->download_seconds, status.download_seconds);
    pt_histogram_add(&metrics->extract_seconds, status.extract_seconds);
}

// --- writing ---

static void gauge(struct pt_buffer *out, const char *name, const char *help, double value)
{
    pt_metric_real(out, name, "gauge", help, value);
}

static void counter(struct pt_buffer *out, const char *name, const char *help, double value)
{
    pt_metric_real(out, name, "counter", help, value);
}

// --- the registries ---

// The name as a label's value: it is an agent's word. The row without a name is all others.
static void registry_label(struct pt_buffer *out, const struct pt_registry *row)
{
    (void)pt_buffer_append_text(out, "registry=\"");
    for (const char *text = *row->name ? row->name : "other"; *text; text++) {
        if (*text == '\\' || *text == '"')
            (void)pt_buffer_printf(out, "\\%c", *text);
        else if (*text == '\n')
            (void)pt_buffer_append_text(out, "\\n");
        else
            (void)pt_buffer_append(out, text, 1);
    }
    (void)pt_buffer_append_text(out, "\"");
}

static const struct pt_registry *next_registry(const struct pt_registries *registries,
                                               const struct pt_registry *row)
{
    const struct pt_registry *other = &registries->rows[PT_NAMED_REGISTRIES];
    if (row == other)
        return NULL;
    row = row ? row + 1 : registries->rows;
    return row < registries->rows + registries->named_count ? row : other;
}

static void registry_count(struct pt_buffer *out, const char *metric, const struct pt_registry *row,
                           const char *label, uint64_t value)
{
    (void)pt_buffer_printf(out, "%s{", metric);
    registry_label(out, row);
    (void)pt_buffer_printf(out, "%s} %llu\n", label, (unsigned long long)value);
}

static uint64_t failed_of(const struct pt_registry *row)
{
    uint64_t sum = 0;
    for (int i = PT_FAILURE_OTHER; i < PT_FAILURE_STALE; i++)
        sum += row->failed[i];
    return sum;
}

// Every class of every registry, so that the first failure is an increase.
static void write_registry_errors(const struct pt_registries *registries, struct pt_buffer *out)
{
    static const char name[] = "pulltrace_registry_errors_total";
    const struct pt_registry *row = NULL;
    pt_metric_head(out, name, "counter", "Pulls that failed, by registry and class.");
    while ((row = next_registry(registries, row))) {
        for (int i = PT_FAILURE_OTHER; i < PT_FAILURE_STALE; i++) {
            (void)pt_buffer_printf(out, "%s{", name);
            registry_label(out, row);
            (void)pt_buffer_printf(out, ",class=\"%s\"} %llu\n",
                                   pt_failure_class_name((enum pt_failure_class)i),
                                   (unsigned long long)row->failed[i]);
        }
    }
}

// One sample of a histogram; `row`: NULL where it is not by registry.
static void sample(struct pt_buffer *out, const char *name, const char *suffix,
                   const struct pt_registry *row, const char *bound, double value)
{
    (void)pt_buffer_printf(out, "%s_%s", name, suffix);
    if (row || bound)
        (void)pt_buffer_append_text(out, "{");
    if (row)
        registry_label(out, row);
    if (bound)
        (void)pt_buffer_printf(out, "%sle=\"%s\"", row ? "," : "", bound);
    (void)pt_buffer_printf(out, "%s %.15g\n", row || bound ? "}" : "", value);
}

// `bounds`: how many of the histogram's bounds to write.
static void samples(struct pt_buffer *out, const char *name, const struct pt_registry *row,
                    const struct pt_histogram *figures, size_t bounds)
{
    uint64_t count = 0;
    for (size_t i = 0; i < PT_HISTOGRAM_BOUNDS; i++) {
        char bound[32];
        count += figures->counts[i];
        snprintf(bound, sizeof(bound), "%g", pt_histogram_bounds[i]);
        if (i < bounds)
            sample(out, name, "bucket", row, bound, (double)count);
    }
    count += figures->counts[PT_HISTOGRAM_BOUNDS];
    sample(out, name, "bucket", row, "+Inf", (double)count);
    sample(out, name, "sum", row, NULL, figures->sum);
    sample(out, name, "count", row, NULL, (double)count);
}

static void write_registry_ends(const struct pt_registries *registries, struct pt_buffer *out)
{
    static const char name[] = "pulltrace_registry_pulls_total";
    const struct pt_registry *row = NULL;
    pt_metric_head(out, name, "counter", "Pulls that have ended, by registry and how.");
    while ((row = next_registry(registries, row))) {
        registry_count(out, name, row, ",result=\"completed\"", row->completed);
        registry_count(out, name, row, ",result=\"failed\"", failed_of(row));
    }
}

static void write_registries(const struct pt_registries *registries, struct pt_buffer *out)
{
    static const char bytes[] = "pulltrace_registry_bytes_total";
    static const char whole[] = "pulltrace_registry_pull_duration_seconds";
    static const char download[] = "pulltrace_registry_download_duration_seconds";
    const struct pt_registry *row = NULL;
    pt_metric_head(out, bytes, "counter",
                   "Bytes received from a registry, those of pulls under way included.");
    while ((row = next_registry(registries, row)))
        registry_count(out, bytes, row, "", row->bytes);
    write_registry_ends(registries, out);
    write_registry_errors(registries, out);
    pt_metric_head(out, whole, "histogram",
                   "How long completed pulls took, by registry. " WITHOUT_QUEUE);
    while ((row = next_registry(registries, row)))
        samples(out, whole, row, &row->pull_seconds, PT_HISTOGRAM_BOUNDS);
    pt_metric_head(
        out, download, "histogram",
        "How long completed pulls downloaded, from the first layer to the last, by registry.");
    while ((row = next_registry(registries, row)))
        samples(out, download, row, &row->download_seconds, PT_HISTOGRAM_BOUNDS);
}

// --- the rest ---

static void write_sources(const struct pt_metrics *metrics, struct pt_buffer *out)
{
    pt_metric_head(out, "pulltrace_pull_layer_bytes_total", "counter",
                   "Size of the layers of completed pulls, by where their bytes came from.");
    for (int i = PT_SOURCE_FETCHED; i < PT_LAYER_SOURCE_COUNT; i++)
        (void)pt_buffer_printf(out, "pulltrace_pull_layer_bytes_total{source=\"%s\"} %llu\n",
                               pt_layer_source_words.words[i],
                               (unsigned long long)metrics->source_bytes[i]);
}

static void histogram(struct pt_buffer *out, const char *name, const char *help,
                      const struct pt_histogram *figures, size_t bounds)
{
    pt_metric_head(out, name, "histogram", help);
    samples(out, name, NULL, figures, bounds);
}

static void write_durations(const struct pt_metrics *metrics, struct pt_buffer *out)
{
    histogram(out, "pulltrace_pull_duration_seconds",
              "How long completed pulls took. " WITHOUT_QUEUE, &metrics->total_seconds, V1_BOUNDS);
    histogram(out, "pulltrace_pull_download_duration_seconds",
              "How long completed pulls downloaded, from the first layer to the last.",
              &metrics->download_seconds, PT_HISTOGRAM_BOUNDS);
    histogram(out, "pulltrace_pull_extract_duration_seconds",
              "How long a layer at least of completed pulls was being extracted.",
              &metrics->extract_seconds, PT_HISTOGRAM_BOUNDS);
}

static void write_pulls(const struct pt_metrics *metrics, const struct pt_pull_store *store,
                        struct pt_buffer *out)
{
    struct pt_store_figures figures = pt_store_figures(store);
    gauge(out, "pulltrace_pulls_active", "Pulls under way.", (double)figures.under_way);
    gauge(out, "pulltrace_pulls_queued", "Images that pods wait for and no pull has begun of.",
          (double)figures.queued);
    gauge(out, "pulltrace_pulls_failing",
          "Images that pods wait for and whose last attempt has failed, on each node.",
          (double)figures.failing);
    pt_metric_head(out, "pulltrace_pulls_total", "counter", "Pulls that have ended, by how.");
    (void)pt_buffer_printf(out,
                           "pulltrace_pulls_total{result=\"completed\"} %llu\n"
                           "pulltrace_pulls_total{result=\"failed\"} %llu\n"
                           "pulltrace_pulls_total{result=\"stale\"} %llu\n",
                           (unsigned long long)metrics->pulls_completed,
                           (unsigned long long)all_failed(metrics),
                           (unsigned long long)metrics->pulls_failed[PT_FAILURE_STALE]);
    counter(out, "pulltrace_checks_total",
            "Pulls that found everything there and fetched nothing; no other figure counts them.",
            (double)metrics->checks);
    write_durations(metrics, out);
    counter(out, "pulltrace_pull_bytes_total", "Bytes received from registries.",
            (double)figures.received_bytes);
    write_sources(metrics, out);
    pt_metric_head(out, "pulltrace_pull_errors_total", "counter", "Pulls that failed, by class.");
    for (int i = PT_FAILURE_OTHER; i < PT_FAILURE_STALE; i++)
        (void)pt_buffer_printf(out, "pulltrace_pull_errors_total{class=\"%s\"} %llu\n",
                               pt_failure_class_name((enum pt_failure_class)i),
                               (unsigned long long)metrics->pulls_failed[i]);
    write_registries(pt_store_registries(store), out);
}

static void write_peers(const struct pt_metrics *metrics, const struct pt_pull_store *store,
                        const struct pt_event_stream *stream, struct pt_buffer *out)
{
    struct pt_store_figures of_store = pt_store_figures(store);
    struct pt_stream_figures figures = pt_event_stream_figures(stream);
    counter(out, "pulltrace_agent_reports_total", "Reports taken.", (double)metrics->reports);
    pt_metric_head(out, "pulltrace_agent_reports_rejected_total", "counter",
                   "Reports refused, by reason.");
    for (size_t i = 0; i < PT_REJECTION_COUNT; i++)
        (void)pt_buffer_printf(out, "pulltrace_agent_reports_rejected_total{reason=\"%s\"} %llu\n",
                               rejection_names[i], (unsigned long long)metrics->rejected[i]);
    pt_metric_head(out, "pulltrace_agent_pulls_rejected_total", "counter",
                   "Pulls left out of reports that were taken, by reason.");
    (void)pt_buffer_printf(out,
                           "pulltrace_agent_pulls_rejected_total{reason=\"invalid\"} %llu\n"
                           "pulltrace_agent_pulls_rejected_total{reason=\"too_large\"} %llu\n",
                           (unsigned long long)metrics->pulls_invalid,
                           (unsigned long long)metrics->pulls_too_large);
    gauge(out, "pulltrace_agents_connected", "Nodes whose agent reports.",
          (double)of_store.nodes_reporting);
    gauge(out, "pulltrace_agents_silent", "Nodes whose agent has stopped reporting.",
          (double)of_store.nodes_silent);
    gauge(out, "pulltrace_sse_clients_active", "Open event streams.", (double)figures.clients);
    counter(out, "pulltrace_sse_clients_refused_total",
            "Event streams refused at the limit of clients.", (double)metrics->streams_refused);
    counter(out, "pulltrace_sse_rounds_skipped_total",
            "Rounds of events that a slow client sat out; it got the latest state later.",
            (double)figures.skipped);
}

// One line for each part of the memory.
static void write_parts(const struct pt_metrics *metrics, const char *name, const char *type,
                        const char *help, double (*value_of)(const struct pt_memory_share *share),
                        struct pt_buffer *out)
{
    pt_metric_head(out, name, type, help);
    for (size_t i = 0; i < metrics->memory_parts; i++) {
        double value = value_of(&metrics->memory[i]);
        (void)pt_buffer_printf(out, "%s{part=\"%s\"} ", name, metrics->memory[i].name);
        (void)pt_buffer_printf(out, isinf(value) ? "+Inf\n" : "%.15g\n", value);
    }
}

static double max_bytes(const struct pt_memory_share *share)
{
    return share->max_bytes == PT_MEMORY_WITHOUT_END ? INFINITY : (double)share->max_bytes;
}

static double used_bytes(const struct pt_memory_share *share)
{
    return (double)share->used_bytes;
}

static double refused(const struct pt_memory_share *share)
{
    return (double)share->refused;
}

static void write_memory(const struct pt_metrics *metrics, struct pt_buffer *out)
{
    write_parts(metrics, "pulltrace_memory_max_bytes", "gauge",
                "Memory that a part of the server may use.", max_bytes, out);
    write_parts(metrics, "pulltrace_memory_used_bytes", "gauge",
                "Memory that a part of the server uses.", used_bytes, out);
    write_parts(metrics, "pulltrace_memory_refused_total", "counter",
                "What was refused or left out because its part of the memory was full.", refused,
                out);
}

static void write_log(struct pt_buffer *out)
{
    const struct pt_log_drops drops = pt_log_drops();
    pt_metric_head(
        out, "pulltrace_log_lines_dropped_total", "counter",
        "Log lines that were not written: nobody read them in time, or there were too many.");
    (void)pt_buffer_printf(out,
                           "pulltrace_log_lines_dropped_total{reason=\"unread\"} %llu\n"
                           "pulltrace_log_lines_dropped_total{reason=\"too_many\"} %llu\n",
                           (unsigned long long)drops.unread, (unsigned long long)drops.too_many);
}

int pt_metrics_write(const struct pt_metrics *metrics, const struct pt_pull_store *store,
                     const struct pt_event_stream *stream, int64_t started_wall_ns,
                     struct pt_buffer *out)
{
    struct pt_process_figures process;
    pt_process_figures_read(&process);
    write_pulls(metrics, store, out);
    write_peers(metrics, store, stream, out);
    write_memory(metrics, out);
    write_log(out);
    pt_metric_head(out, "pulltrace_build_info", "gauge",
                   "Always 1; the version and the revision of the source are in the labels.");
    (void)pt_buffer_printf(out,
                           "pulltrace_build_info{version=\"" PT_VERSION "\",revision=\"%s\"} 1\n",
                           metrics->revision ? metrics->revision : "unknown");
    counter(out, "process_cpu_seconds_total", "CPU time used.", process.cpu_seconds);
    gauge(out, "process_resident_memory_bytes", "Memory in use.", process.resident_bytes);
    gauge(out, "process_open_fds", "File descriptors in use.", process.open_fds);
    gauge(out, "process_max_fds", "File descriptors allowed.", process.max_fds);
    gauge(out, "process_start_time_seconds", "Start of the process, seconds since 1970.",
          (double)started_wall_ns / (double)PT_NS_PER_S);
    return out->failure;
}
