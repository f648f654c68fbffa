// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/event.h"
#include "pull/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Prints what it costs to read and to write a report of two pulls with eight layers each, as the
// load generator sends it, and to write one of its pulls as an event: microseconds of CPU time.

#define PULLS 2
#define LAYERS 8
#define TURNS 20000

static const int64_t now = INT64_C(1795230245678000000);
static struct pt_layer layers[PULLS * LAYERS];
static char digests[PULLS * LAYERS][80];
static struct pt_pull pulls[PULLS];
static struct pt_layer_rate rates[LAYERS];

static struct pt_report make_report(void)
{
    for (int i = 0; i < PULLS * LAYERS; i++) {
        snprintf(digests[i], sizeof(digests[i]), "sha256:%064d", i);
        layers[i] = (struct pt_layer){
            .digest = digests[i],
            .media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
            .total_bytes = 31457280,
            .downloaded_bytes = 12345678,
            .total_known = true,
            .phase = PT_LAYER_DOWNLOADING,
            .started_at = now,
        };
    }
    for (int i = 0; i < PULLS; i++)
        pulls[i] = (struct pt_pull){
            .id = "0123456789abcdef",
            .image_ref = "registry.example.com/team/application:1.2.3",
            .repository = "registry.example.com/team/application",
            .root_digest = digests[0],
            .manifest_digest = digests[1],
            .containerd_namespace = "k8s.io",
            .phase = PT_PULL_DOWNLOADING,
            .started_at = now,
            .total_known = true,
            .layers = &layers[i * LAYERS],
            .layer_count = LAYERS,
        };
    return (struct pt_report){
        .node_name = "node-1",
        .timestamp = now,
        .agent_version = "1.2.3",
        .runtime_name = "containerd",
        .runtime_version = "1.7.24",
        .interval_ms = 1000,
        .pulls = pulls,
        .pull_count = PULLS,
    };
}

static double cpu_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void check(int r)
{
    if (r < 0) {
        fprintf(stderr, "codec: error %d\n", -r);
        exit(1);
    }
}

static double time_encoding(const struct pt_report *report, struct pt_buffer *text)
{
    double began = cpu_us();
    for (int i = 0; i < TURNS; i++) {
        pt_buffer_clear(text);
        check(pt_report_encode(report, text));
    }
    return (cpu_us() - began) / TURNS;
}

static double time_decoding(const struct pt_buffer *text)
{
    double began = cpu_us();
    for (int i = 0; i < TURNS; i++) {
        struct pt_report report;
        check(pt_report_decode(text->data, text->length, &report, NULL));
        pt_report_finish(&report);
    }
    return (cpu_us() - began) / TURNS;
}

static double time_event(struct pt_buffer *text)
{
    struct pt_pull_status status = pt_pull_status_make(&pulls[0]);
    status.node_name = "node-1";
    status.layer_rates = rates;
    status.eta_seconds = 12.34;
    double began = cpu_us();
    for (int i = 0; i < TURNS; i++) {
        pt_buffer_clear(text);
        check(pt_pull_event_encode(PT_EVENT_PULL_PROGRESS, now, &status, true, text));
    }
    return (cpu_us() - began) / TURNS;
}

int main(void)
{
    struct pt_report report = make_report();
    struct pt_buffer text, event;
    pt_buffer_init(&text, PT_LIMIT_REPORT_BYTES);
    pt_buffer_init(&event, PT_LIMIT_REPORT_BYTES);
    double encode_us = time_encoding(&report, &text);
    double decode_us = time_decoding(&text);
    double event_us = time_event(&event);
    printf("{\"reportBytes\":%zu,\"decodeMicros\":%.2f,\"encodeMicros\":%.2f,", text.length,
           decode_us, encode_us);
    printf("\"eventBytes\":%zu,\"eventMicros\":%.2f}\n", event.length, event_us);
    pt_buffer_finish(&text);
    pt_buffer_finish(&event);
    return 0;
}
