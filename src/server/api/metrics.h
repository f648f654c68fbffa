// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_METRICS_H
#define PT_SERVER_API_METRICS_H

#include "base/buffer.h"
#include "base/histogram.h"
#include "base/limits.h"
#include "base/memory_share.h"
#include "pull/failure_class.h"
#include "server/store/reader.h"
#include "server/stream/event_stream.h"

#include <stddef.h>
#include <stdint.h>

// Why a report was not taken as it is.
enum pt_rejection {
    PT_REJECTED_ADDRESS, // not sent to the agents' own address
    PT_REJECTED_TOKEN,
    PT_REJECTED_TOKEN_UNCHECKED,
    PT_REJECTED_NODE, // another than that of its token
    PT_REJECTED_ORIGIN,
    PT_REJECTED_CONTENT_TYPE,
    PT_REJECTED_INVALID,
    PT_REJECTED_TOO_LARGE,
    PT_REJECTED_TOO_SOON,
    PT_REJECTED_NODE_LIMIT,
    PT_REJECTED_PULL_LIMIT,
    PT_REJECTED_NODE_PULL_LIMIT,
    PT_REJECTED_STORE_MEMORY,
    PT_REJECTED_NODE_MEMORY,
    PT_REJECTED_MEMORY,
    PT_REJECTED_NOT_SHARED, // an end that the other servers may not have
    PT_REJECTION_COUNT,
};

// What is counted besides what store and stream know themselves. No label holds a node, a pod, an
// image or a digest.
struct pt_metrics {
    const char *revision; // of the source; NULL: unknown
    uint64_t pulls_completed;
    uint64_t ends;   // of all kinds
    uint64_t checks; // that completed
    uint64_t pulls_failed[PT_FAILURE_CLASS_COUNT];
    uint64_t source_bytes[PT_LAYER_SOURCE_COUNT]; // of the layers of completed pulls
    uint64_t reports;
    uint64_t rejected[PT_REJECTION_COUNT];
    uint64_t pulls_invalid, pulls_too_large; // left out of reports that were taken
    uint64_t streams_refused;
    const struct pt_memory_share *memory; // of each part
    size_t memory_parts;
    struct pt_histogram total_seconds, download_seconds, extract_seconds;
};

// How many lines each registry has, and what one takes at most: the name is an agent's word, and
// each of its characters may be escaped. The rest, of which no name is a peer's, takes far less.
#define PT_METRICS_REGISTRY_LINES (3 + PT_FAILURE_STALE + 2 * (PT_HISTOGRAM_BOUNDS + 3))
#define PT_METRICS_LINE_BYTES (128 + 2 * PT_LIMIT_NAME_BYTES)
#define PT_METRICS_REST_BYTES (256 * 1024)
#define PT_METRICS_MAX_BYTES (1024 * 1024)

// Counts a pull that has ended, or one failed attempt at it.
void pt_metrics_note_end(struct pt_metrics *metrics, const struct pt_stored_pull *stored);

// The same of an attempt of which only the class of its failure is known.
void pt_metrics_note_failure(struct pt_metrics *metrics, enum pt_failure_class error_class);

// Appends everything in the text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
PT_MUST_CHECK int pt_metrics_write(const struct pt_metrics *metrics,
                                   const struct pt_pull_store *store,
                                   const struct pt_event_stream *stream, int64_t started_wall_ns,
                                   struct pt_buffer *out);

#endif
