// SPDX-License-Identifier: Apache-2.0
#include "pull/pull_fields.h"

#include "base/limits.h"
#include "pull/event.h"
#include "pull/model.h"
#include "pull/report.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define FIELDS_OF(rows, texts_end)                                                                 \
    {                                                                                              \
        (rows), COUNT_OF(rows), (texts_end)                                                        \
    }

// ROW(kind, presence, maximum, name, struct, member)
#define ROW(kind_, presence_, maximum_, name_, type, member)                                       \
    {                                                                                              \
        .name = (name_), .name_length = sizeof(name_) - 1, .kind = PT_FIELD_##kind_,               \
        .presence = PT_FIELD_##presence_, .offset = offsetof(type, member), .maximum = (maximum_)  \
    }
#define WORD_ROW(words_, name_, type, member)                                                      \
    {                                                                                              \
        .name = (name_), .name_length = sizeof(name_) - 1, .kind = PT_FIELD_WORD,                  \
        .presence = PT_FIELD_IF_SET, .offset = offsetof(type, member), .words = (words_)           \
    }
#define NESTED_ROW(kind_, fields_, name_, type, member)                                            \
    {                                                                                              \
        .name = (name_), .name_length = sizeof(name_) - 1, .kind = PT_FIELD_##kind_,               \
        .presence = PT_FIELD_IF_SET, .offset = offsetof(type, member), .fields = (fields_)         \
    }
// What no member of the struct holds, as its owner alone writes it.
#define OWNED_ROW(fields_, name_)                                                                  \
    {                                                                                              \
        .name = (name_), .name_length = sizeof(name_) - 1, .kind = PT_FIELD_LIST,                  \
        .presence = PT_FIELD_IF_SET, .fields = (fields_)                                           \
    }

// --- what an agent reports ---

// Of a layer, where it stands in `type`: `at` is empty or the member that holds it.
#define LAYER_ROWS(type, at)                                                                       \
    ROW(TEXT, REQUIRED, PT_LIMIT_DIGEST_BYTES, "digest", type, at digest),                         \
        ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "mediaType", type, at media_type),                  \
        ROW(INTEGER, ALWAYS, PT_LIMIT_SIZE_BYTES, "totalBytes", type, at total_bytes),             \
        ROW(INTEGER, ALWAYS, PT_LIMIT_SIZE_BYTES, "downloadedBytes", type, at downloaded_bytes),   \
        ROW(BOOL, ALWAYS, 0, "totalKnown", type, at total_known),                                  \
        WORD_ROW(&pt_layer_phase_words, "phase", type, at phase),                                  \
        ROW(BOOL, IF_SET, 0, "cached", type, at cached),                                           \
        WORD_ROW(&pt_layer_source_words, "source", type, at source),                               \
        ROW(INTEGER, IF_SET, PT_LIMIT_SIZE_BYTES, "resumedBytes", type, at resumed_bytes),         \
        ROW(TIME, IF_SET, 0, "startedAt", type, at started_at),                                    \
        ROW(TIME, IF_SET, 0, "completedAt", type, at completed_at),                                \
        ROW(TIME, IF_SET, 0, "extractStartedAt", type, at extract_started_at),                     \
        ROW(TIME, IF_SET, 0, "extractCompletedAt", type, at extract_completed_at)

static const struct pt_field layer_rows[] = {LAYER_ROWS(struct pt_layer, )};
const struct pt_fields pt_layer_fields = FIELDS_OF(layer_rows, 2);

#define PULL struct pt_pull
static const struct pt_field pull_rows[] = {
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "id", PULL, id),
    ROW(TEXT, REQUIRED, PT_LIMIT_REFERENCE_BYTES, "imageRef", PULL, image_ref),
    ROW(TEXT, IF_SET, PT_LIMIT_REFERENCE_BYTES, "repository", PULL, repository),
    ROW(TEXT, IF_SET, PT_LIMIT_DIGEST_BYTES, "rootDigest", PULL, root_digest),
    ROW(TEXT, IF_SET, PT_LIMIT_DIGEST_BYTES, "manifestDigest", PULL, manifest_digest),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "platform", PULL, platform),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "namespace", PULL, containerd_namespace),
    WORD_ROW(&pt_agent_phase_words, "phase", PULL, phase),
    ROW(TEXT, IF_SET, PT_LIMIT_ERROR_BYTES, "error", PULL, error),
    WORD_ROW(&pt_agent_failure_class_words, "errorClass", PULL, error_class),
    WORD_ROW(&pt_pull_kind_words, "kind", PULL, kind),
    ROW(INTEGER, IF_SET, INT64_MAX, "bytesFetched", PULL, bytes_fetched),
    ROW(INTEGER, IF_SET, INT64_MAX, "bytesUnreported", PULL, bytes_unreported),
    ROW(TIME, IF_SET, 0, "startedAt", PULL, started_at),
    ROW(TIME, IF_SET, 0, "completedAt", PULL, completed_at),
    ROW(BOOL, ALWAYS, 0, "totalKnown", PULL, total_known),
    ROW(BOOL, ALWAYS, 0, "imageRefExact", PULL, image_ref_exact),
    NESTED_ROW(LIST, &pt_layer_fields, "layers", PULL, layers),
};
const struct pt_fields pt_pull_fields = FIELDS_OF(pull_rows, 9);

#define REPORT struct pt_report
static const struct pt_field runtime_rows[] = {
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "name", REPORT, runtime_name),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "version", REPORT, runtime_version),
};
static const struct pt_fields runtime_fields = FIELDS_OF(runtime_rows, 2);

static const struct pt_field report_rows[] = {
    ROW(TEXT, REQUIRED, PT_LIMIT_NODE_NAME_BYTES, "nodeName", REPORT, node_name),
    ROW(TIME, IF_SET, 0, "timestamp", REPORT, timestamp),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "agentVersion", REPORT, agent_version),
    ROW(TEXT, IF_SET, PT_LIMIT_RUN_BYTES, "run", REPORT, run),
    ROW(INTEGER, IF_SET, INT64_MAX, "sequence", REPORT, sequence),
    NESTED_ROW(OBJECT, &runtime_fields, "runtime", REPORT, runtime_name),
    ROW(INTEGER, IF_SET, INT64_MAX, "intervalMs", REPORT, interval_ms),
    NESTED_ROW(LIST, &pt_pull_fields, "pulls", REPORT, pulls),
};
const struct pt_fields pt_report_fields = FIELDS_OF(report_rows, 4);

// --- what readers get ---

#define LAYER_STATUS struct pt_layer_status
static const struct pt_field layer_status_rows[] = {
    ROW(TEXT, REQUIRED, PT_LIMIT_NAME_BYTES, "pullId", LAYER_STATUS, pull_id),
    LAYER_ROWS(LAYER_STATUS, layer.),
    ROW(SPEED, ALWAYS, 0, "bytesPerSec", LAYER_STATUS, bytes_per_second),
    ROW(NUMBER, ALWAYS, 0, "percent", LAYER_STATUS, percent),
};
const struct pt_fields pt_layer_status_fields = FIELDS_OF(layer_status_rows, 3);

#define WAITING struct pt_waiting_container
static const struct pt_field waiting_rows[] = {
    ROW(TEXT, REQUIRED, PT_LIMIT_KUBE_NAME_BYTES, "namespace", WAITING, namespace),
    ROW(TEXT, REQUIRED, PT_LIMIT_KUBE_NAME_BYTES, "podName", WAITING, pod),
    ROW(TEXT, REQUIRED, PT_LIMIT_KUBE_NAME_BYTES, "container", WAITING, container),
    ROW(TEXT, IF_SET, PT_LIMIT_REFERENCE_BYTES, "image", WAITING, image),
};
const struct pt_fields pt_waiting_fields = FIELDS_OF(waiting_rows, 4);

#define STATUS struct pt_pull_status
static const struct pt_field hold_up_rows[] = {
    WORD_ROW(&pt_hold_up_words, "kind", STATUS, hold_up.kind),
    ROW(TIME, IF_SET, 0, "since", STATUS, hold_up.since),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "pullId", STATUS, hold_up.pull_id),
    ROW(INTEGER, IF_SET, INT64_MAX, "nodeBytesPerSec", STATUS, hold_up.node_bytes_per_second),
    ROW(INTEGER, IF_SET, INT64_MAX, "registryBytesPerSec", STATUS,
        hold_up.registry_bytes_per_second),
};
const struct pt_fields pt_hold_up_fields = FIELDS_OF(hold_up_rows, 3);

static const struct pt_field pull_status_rows[] = {
    ROW(TEXT, REQUIRED, PT_LIMIT_NAME_BYTES, "id", STATUS, id),
    ROW(TEXT, IF_SET, PT_LIMIT_NODE_NAME_BYTES, "nodeName", STATUS, node_name),
    ROW(TEXT, REQUIRED, PT_LIMIT_REFERENCE_BYTES, "imageRef", STATUS, image_ref),
    ROW(BOOL, ALWAYS, 0, "imageRefExact", STATUS, image_ref_exact),
    ROW(HOST, IF_SET, PT_LIMIT_REFERENCE_BYTES, "registry", STATUS, pull.repository),
    ROW(TEXT, IF_SET, PT_LIMIT_REFERENCE_BYTES, "repository", STATUS, pull.repository),
    ROW(TEXT, IF_SET, PT_LIMIT_DIGEST_BYTES, "rootDigest", STATUS, pull.root_digest),
    ROW(TEXT, IF_SET, PT_LIMIT_DIGEST_BYTES, "manifestDigest", STATUS, pull.manifest_digest),
    ROW(TEXT, IF_SET, PT_LIMIT_NAME_BYTES, "platform", STATUS, pull.platform),
    WORD_ROW(&pt_pull_phase_words, "phase", STATUS, pull.phase),
    WORD_ROW(&pt_pull_kind_words, "kind", STATUS, pull.kind),
    ROW(INTEGER, ALWAYS, INT64_MAX, "totalBytes", STATUS, totals.total_bytes),
    ROW(INTEGER, ALWAYS, INT64_MAX, "downloadedBytes", STATUS, totals.downloaded_bytes),
    ROW(INTEGER, ALWAYS, INT64_MAX, "cachedBytes", STATUS, totals.cached_bytes),
    ROW(INTEGER, IF_SET, INT64_MAX, "remoteBytes", STATUS, totals.remote_bytes),
    ROW(INTEGER, ALWAYS, INT64_MAX, "bytesFetched", STATUS, pull.bytes_fetched),
    ROW(INTEGER, ALWAYS, INT64_MAX, "extractedBytes", STATUS, totals.extracted_bytes),
    ROW(SPEED, ALWAYS, 0, "bytesPerSec", STATUS, bytes_per_second),
    ROW(NUMBER, ALWAYS, 0, "percent", STATUS, totals.percent),
    ROW(COUNT, ALWAYS, INT64_MAX, "layerCount", STATUS, pull.layer_count),
    ROW(COUNT, ALWAYS, INT64_MAX, "layersDone", STATUS, totals.layers_done),
    ROW(COUNT, ALWAYS, INT64_MAX, "layersExtracted", STATUS, totals.layers_extracted),
    ROW(BOOL, ALWAYS, 0, "totalKnown", STATUS, pull.total_known),
    ROW(NUMBER, ALWAYS, 0, "etaSeconds", STATUS, eta_seconds),
    ROW(NUMBER, ALWAYS, 0, "readyEtaSeconds", STATUS, ready_eta_seconds),
    ROW(NUMBER, ALWAYS, 0, "queuedSeconds", STATUS, queued_seconds),
    ROW(NUMBER, ALWAYS, 0, "downloadSeconds", STATUS, download_seconds),
    ROW(NUMBER, ALWAYS, 0, "extractSeconds", STATUS, extract_seconds),
    ROW(NUMBER, IF_SET, 0, "stalledSeconds", STATUS, stalled_seconds),
    ROW(TIME, IF_SET, 0, "startedAt", STATUS, pull.started_at),
    ROW(TIME, IF_SET, 0, "completedAt", STATUS, pull.completed_at),
    ROW(TEXT, IF_SET, PT_LIMIT_ERROR_BYTES, "error", STATUS, pull.error),
    WORD_ROW(&pt_failure_class_words, "errorClass", STATUS, pull.error_class),
    WORD_ROW(&pt_stale_reason_words, "staleReason", STATUS, stale_reason),
    ROW(INTEGER, IF_SET, INT64_MAX, "attempts", STATUS, attempts),
    ROW(TIME, IF_SET, 0, "nextAttemptAt", STATUS, next_attempt_at),
    ROW(INTEGER, IF_SET, INT64_MAX, "version", STATUS, version),
    ROW(BOOL, ALWAYS, 0, "waiting", STATUS, is_waited_for),
    NESTED_ROW(OBJECT, &pt_hold_up_fields, "holdUp", STATUS, hold_up.kind),
    NESTED_ROW(LIST, &pt_waiting_fields, "pods", STATUS, waiting),
    NESTED_ROW(LIST, &pt_layer_status_fields, "layers", STATUS, pull.layers),
};
const struct pt_fields pt_pull_status_fields = FIELDS_OF(pull_status_rows, 32);

#define EVENT struct pt_pull_event
static const struct pt_field event_rows[] = {
    ROW(TEXT, REQUIRED, PT_LIMIT_NAME_BYTES, "schemaVersion", EVENT, schema_version),
    ROW(TIME, IF_SET, 0, "timestamp", EVENT, timestamp),
    ROW(TEXT, REQUIRED, PT_LIMIT_NAME_BYTES, "type", EVENT, type_name),
    ROW(TEXT, IF_SET, PT_LIMIT_NODE_NAME_BYTES, "nodeName", EVENT, node_name),
    OWNED_ROW(&pt_pull_status_fields, "pull"),
    OWNED_ROW(&pt_layer_status_fields, "layer"),
};
const struct pt_fields pt_event_fields = FIELDS_OF(event_rows, 4);
