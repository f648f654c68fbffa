// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_REPLICAS_CROWD_H
#define PT_TESTS_REPLICAS_CROWD_H

#include "bench/latency.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CROWD_NS_PER_S INT64_C(1000000000)
#define CROWD_MAX_PORTS 16
#define CROWD_IMAGE "registry.example/crowd/p" // then the pull's number, ":g" and its generation
#define CROWD_NODE "crowd-"                    // then the node's number

// What nodes and readers have in common. Each node has `pulls` pulls at once, which end together;
// others, of the next generation, follow when the end was acknowledged.
struct crowd {
    int nodes;
    int pulls;
    int layers; // of a pull
    double pull_seconds;
    int interval_ms; // between two reports of a node
    int generations; // at most, of a node
    int readers;
    int epoll_fd;
    uint16_t ports[CROWD_MAX_PORTS]; // connections are spread over them
    int port_count;
    uint16_t watched[CROWD_MAX_PORTS]; // of single servers, of which all is read
    int watched_count;
};

// Whether that pull is one of those that fail, an eighth of all.
bool crowd_fails(int node, int pull, int generation);

int64_t crowd_now_ns(void);

// A connection to 127.0.0.1 that is being made, in the epoll set with `data`; -1 when it cannot.
int crowd_connect(const struct crowd *in, uint16_t port, void *data);

// The part of the epoll set that speaks of `data`.
enum crowd_kind { CROWD_NODES, CROWD_READERS };
struct crowd_peer {
    enum crowd_kind kind;
    int fd; // -1: none
};

struct nodes;
struct nodes *nodes_create(const struct crowd *crowd);
void nodes_destroy(struct nodes *nodes);
// Sends the reports that are due.
void nodes_run(struct nodes *nodes);
void nodes_on_event(struct nodes *nodes, struct crowd_peer *peer, uint32_t events);
// Reports that are not sent, since the one before is under way, count apart while nothing is away.
void nodes_be_calm(struct nodes *nodes, bool is_calm);
// From now on all pulls end at their next report, and none follows.
void nodes_rest(struct nodes *nodes);
bool nodes_are_at_rest(const struct nodes *nodes);
// The ends of all generations below it were acknowledged.
int nodes_acknowledged(const struct nodes *nodes, int node);
// Members of a JSON object on stdout.
void nodes_print(struct nodes *nodes);

struct readers;
struct readers *readers_create(const struct crowd *crowd);
void readers_destroy(struct readers *readers);
// Opens what is to be opened again.
void readers_run(struct readers *readers);
void readers_on_event(struct readers *readers, struct crowd_peer *peer, uint32_t events);
// Whether an end that comes behind one of a later pull is a fault; else servers may read anew what
// they have missed, in any order.
void readers_be_strict(struct readers *readers, bool is_strict);
// How long a reader is without a stream is from now on counted apart from what was before.
void readers_begin_update(struct readers *readers);
// Whether all have what there is.
bool readers_are_in_step(const struct readers *readers);
void readers_print(struct readers *readers, const struct nodes *nodes);

#endif
