// SPDX-License-Identifier: Apache-2.0
#include "agents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAYER_BYTES INT64_C(52428800)
#define FIRST_BYTES INT64_C(10000000) // so that all numbers have eight digits
#define MAX_LAYER_TEXT 512
#define MAX_PULL_TEXT 512
#define HEAD_TEXT 512

// Places that change have the same width always. JSON allows blanks around values.
static void write_time(char *at, int64_t wall_ns)
{
    char text[32];
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    sprintf(text + 19, ".%03dZ", (int)(wall_ns / 1000000 % 1000));
    memcpy(at, text, 24);
}

static void append(char **cursor, const char *text)
{
    size_t length = strlen(text);
    memcpy(*cursor, text, length);
    *cursor += length;
}

// The marks are found again by agents_refresh: each stands right before its value.
static const char time_mark[] = "\"timestamp\":\"";
static const char id_mark[] = "\"id\":\"";
static const char started_mark[] = "\"startedAt\":\"";
static const char phase_mark[] = "\"phase\":";
static const char bytes_mark[] = "\"downloadedBytes\":";

static void append_layer(char **cursor, int node, int pull, int layer)
{
    char text[MAX_LAYER_TEXT];
    snprintf(text, sizeof(text),
             "%s{\"digest\":\"sha256:%08x%08x%048x\",\"mediaType\":"
             "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"totalBytes\":%lld,"
             "%s10000000,\"totalKnown\":true,%s             ,%s2026-01-01T00:00:00.000Z\"}",
             layer ? "," : "", layer, pull, node % 64, (long long)LAYER_BYTES, bytes_mark,
             phase_mark, started_mark);
    append(cursor, text);
}

static void append_pull(char **cursor, const struct agents *agents, int node, int pull)
{
    char text[MAX_PULL_TEXT];
    snprintf(text, sizeof(text),
             "%s{%slease-%03d-0000000000\",\"imageRef\":\"docker.io/library/app-%02d:1.%d\","
             "\"repository\":\"docker.io/library/app-%02d\",\"rootDigest\":\"sha256:%064x\","
             "\"manifestDigest\":\"sha256:%064x\",%s2026-01-01T00:00:00.000Z\",%s             ,"
             "\"totalKnown\":true,\"imageRefExact\":true,\"namespace\":\"k8s.io\",\"layers\":[",
             pull ? "," : "", id_mark, pull, node % 64, pull, node % 64, node % 64,
             node % 64 + 1000, started_mark, phase_mark);
    append(cursor, text);
    for (int i = 0; i < agents->layers; i++)
        append_layer(cursor, node, pull, i);
    append(cursor, "]}");
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
    char head[HEAD_TEXT];
    char *cursor = body;
    snprintf(head, sizeof(head),
             "{\"nodeName\":\"node-%05d\",%s2026-01-01T00:00:00.000Z\",\"agentVersion\":\"0.1.0\","
             "\"runtime\":{\"name\":\"containerd\",\"version\":\"2.1.4\"},\"intervalMs\":%d,"
             "\"pulls\":[",
             node, time_mark, agents->interval_ms);
    append(&cursor, head);
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

static char *refresh_layer(char *at, int64_t bytes, bool done, int64_t started_at)
{
    const char *phase = done                   ? "\"done\""
                        : bytes == FIRST_BYTES ? "\"queued\""
                        : bytes == LAYER_BYTES ? "\"downloaded\""
                                               : "\"downloading\"";
    write_number(at = find(at, bytes_mark), 8, bytes);
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
    bool done = false;
    if (generation > agents->generations[node]) { // one report tells the end of the old ones
        done = true;
        share = 1;
        generation = agents->generations[node]++;
        agents->completions += (uint64_t)agents->pulls;
    }
    int64_t began = wall_ns - (int64_t)(share * agents->pull_seconds * 1e9);
    char *at = find(agents->requests[node], time_mark);
    write_time(at, wall_ns);
    for (int i = 0; i < agents->pulls; i++) {
        char id[11];
        snprintf(id, sizeof(id), "%010lld", (long long)generation);
        memcpy(find(at, id_mark) + strlen("lease-000-"), id, 10);
        write_time(at = find(at, started_mark), began);
        write_phase(at = find(at, phase_mark), done ? "\"completed\"" : "\"downloading\"");
        for (int j = 0; j < agents->layers; j++)
            at = refresh_layer(at, layer_bytes(j, agents->layers, share), done, began);
    }
}
