// SPDX-License-Identifier: Apache-2.0
#include "agents.h"
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYER_BYTES INT64_C(52428800)
#define FIRST_BYTES INT64_C(10000000) // so that all numbers have eight digits
#define MAX_LAYER_TEXT 512
#define MAX_PULL_TEXT 512
#define HEAD_TEXT 512

// Places that change have the same width always. JSON allows blanks around values.
static void write_time(char *at, int64_t wall_ns)
{
    char text[MACHINE_TIME_SIZE];
    machine_write_time(text, wall_ns);
    memcpy(at, text, sizeof(text) - 1);
}

static void append(char **cursor, const char *text)
{
    size_t length = strlen(text);
    memcpy(*cursor, text, length);
    *cursor += length;
}

// The marks are found again by agents_refresh: each stands right before its value.
static const char time_mark[] = "\"timestamp\":\"";
static const char generation_mark[] = "-g";
static const char started_mark[] = "\"startedAt\":\"";
static const char phase_mark[] = "\"phase\":";
static const char bytes_mark[] = "\"downloadedBytes\":";

static void append_layer(char **cursor, const struct agents *agents, int node, int pull, int layer)
{
    char text[MAX_LAYER_TEXT];
    snprintf(text, sizeof(text),
             "%s{\"digest\":\"sha256:%08x%08x%048x\",\"mediaType\":"
             "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"totalBytes\":%lld,"
             "%s10000000,\"totalKnown\":true",
             layer ? "," : "", layer, pull, node % 64, (long long)LAYER_BYTES, bytes_mark);
    append(cursor, text);
    if (!agents->v1) {
        snprintf(text, sizeof(text), ",%s             ,%s2026-01-01T00:00:00.000Z\"", phase_mark,
                 started_mark);
        append(cursor, text);
    }
    append(cursor, "}");
}

static void append_pull(char **cursor, const struct agents *agents, int node, int pull)
{
    char text[MAX_PULL_TEXT];
    int app = node % 64;
    unsigned root = 1000u * (unsigned)app + 2u * (unsigned)pull; // each tag is an image of its own
    if (agents->v1)
        snprintf(text, sizeof(text),
                 "%s{\"imageRef\":\"docker.io/library/app-%02d:1.%d%s0000000000\","
                 "%s2026-01-01T00:00:00.000Z\",\"totalKnown\":true,\"layers\":[",
                 pull ? "," : "", app, pull, generation_mark, started_mark);
    else
        snprintf(
            text, sizeof(text),
            "%s{\"id\":\"lease-%03d%s0000000000\",\"imageRef\":"
            "\"docker.io/library/app-%02d:1.%d\",\"repository\":\"docker.io/library/app-%02d\","
            "\"rootDigest\":\"sha256:%064x\",\"manifestDigest\":\"sha256:%064x\","
            "%s2026-01-01T00:00:00.000Z\",%s             ,\"totalKnown\":true,"
            "\"imageRefExact\":true,\"namespace\":\"k8s.io\",\"layers\":[",
            pull ? "," : "", pull, generation_mark, app, pull, app, root, root + 1, started_mark,
            phase_mark);
    append(cursor, text);
    for (int i = 0; i < agents->layers; i++)
        append_layer(cursor, agents, node, pull, i);
    append(cursor, "]}");
}

// What is said of the node and its agent, before the pulls.
static void append_head(char **cursor, const struct agents *agents, int node)
{
    char text[HEAD_TEXT];
    snprintf(text, sizeof(text), "{\"nodeName\":\"node-%05d\",%s2026-01-01T00:00:00.000Z\",",
             agents->first + node, time_mark);
    append(cursor, text);
    if (!agents->v1) {
        snprintf(text, sizeof(text),
                 "\"agentVersion\":\"0.1.0\",\"runtime\":{\"name\":\"containerd\","
                 "\"version\":\"2.1.4\"},\"intervalMs\":%d,",
                 agents->interval_ms);
        append(cursor, text);
    }
    append(cursor, "\"pulls\":[");
}

static int make_request(struct agents *agents, int node)
{
    size_t size = 2 * HEAD_TEXT +
                  (size_t)agents->pulls * (MAX_PULL_TEXT + (size_t)agents->layers * MAX_LAYER_TEXT);
    char *body = malloc(size);
    char *request = malloc(size);
    if (!body || !request) {
        free(body);
        free(request);
        return -1;
    }
    char *cursor = body;
    append_head(&cursor, agents, node);
    for (int i = 0; i < agents->pulls; i++)
        append_pull(&cursor, agents, node, i);
    append(&cursor, "]}");
    size_t length = (size_t)(cursor - body);
    int head_length =
        snprintf(request, size,
                 "POST /api/v1/report HTTP/1.1\r\nHost: pulltrace\r\nUser-Agent: loadgen\r\n"
                 "Accept: */*\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 length);
    memcpy(request + head_length, body, length);
    free(body);
    agents->lengths[node] = (size_t)head_length + length;
    agents->requests[node] = realloc(request, agents->lengths[node] + 1);
    agents->requests[node][agents->lengths[node]] = '\0';
    return 0;
}

int agents_create(struct agents *agents)
{
    agents->requests = calloc((size_t)agents->count, sizeof(char *));
    agents->lengths = calloc((size_t)agents->count, sizeof(size_t));
    agents->generations = calloc((size_t)agents->count, sizeof(int64_t));
    if (!agents->requests || !agents->lengths || !agents->generations)
        return -1;
    for (int i = 0; i < agents->count; i++) {
        if (make_request(agents, i) < 0)
            return -1;
    }
    return 0;
}

void agents_destroy(struct agents *agents)
{
    for (int i = 0; agents->requests && i < agents->count; i++)
        free(agents->requests[i]);
    free(agents->requests);
    free(agents->lengths);
    free(agents->generations);
}

// Returns the place behind the next mark after `at`.
static char *find(char *at, const char *mark)
{
    return strstr(at, mark) + strlen(mark);
}

static void write_phase(char *at, const char *phase)
{
    char text[14];
    snprintf(text, sizeof(text), "%-13s", phase);
    memcpy(at, text, 13);
}

static void write_number(char *at, int width, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%*lld", width, (long long)number);
    memcpy(at, text, (size_t)width);
}

// Half of the layers are loaded first, then the others.
static int64_t layer_bytes(int layer, int layers, double share)
{
    double own = 2 * share - (layer < (layers + 1) / 2 ? 0 : 1);
    own = own < 0 ? 0 : own > 1 ? 1 : own;
    return FIRST_BYTES + (int64_t)(own * (double)(LAYER_BYTES - FIRST_BYTES));
}

static const char *layer_phase(int64_t bytes, bool done)
{
    if (done)
        return "\"done\"";
    if (bytes == FIRST_BYTES)
        return "\"queued\"";
    return bytes == LAYER_BYTES ? "\"downloaded\"" : "\"downloading\"";
}

static char *refresh_phase(char *at, const char *phase, int64_t started_at)
{
    write_phase(at = find(at, phase_mark), phase);
    write_time(at = find(at, started_mark), started_at);
    return at;
}

void agents_refresh(struct agents *agents, int node, int64_t wall_ns, int64_t started_wall_ns)
{
    // Nodes are spread over the duration of a pull.
    double age =
        (double)(wall_ns - started_wall_ns) / 1e9 + agents->pull_seconds * node / agents->count;
    int64_t generation = (int64_t)(age / agents->pull_seconds);
    double share = age / agents->pull_seconds - (double)generation;
    bool others = generation > agents->generations[node];
    bool done = others && !agents->v1; // one report says the end of the old ones
    if (others) {
        agents->generations[node]++;
        agents->completions += (uint64_t)agents->pulls;
    }
    if (done) {
        generation--;
        share = 1;
    }
    int64_t began = wall_ns - (int64_t)(share * agents->pull_seconds * 1e9);
    char *at = find(agents->requests[node], time_mark);
    write_time(at, wall_ns);
    for (int i = 0; i < agents->pulls; i++) {
        char number[11];
        snprintf(number, sizeof(number), "%010lld", (long long)generation);
        memcpy(find(at, generation_mark), number, 10);
        write_time(at = find(at, started_mark), began);
        if (!agents->v1)
            write_phase(at = find(at, phase_mark), done ? "\"completed\"" : "\"downloading\"");
        for (int j = 0; j < agents->layers; j++) {
            int64_t bytes = layer_bytes(j, agents->layers, share);
            write_number(at = find(at, bytes_mark), 8, bytes);
            if (!agents->v1)
                at = refresh_phase(at, layer_phase(bytes, done), began);
        }
    }
}
