// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_DELIVER_H
#define PT_AGENT_DELIVER_H

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct pt_http_client;
struct pt_readiness;
struct pt_secret;
struct pt_tracker;

// Posts reports of a tracker's pulls to the server, one at a time. A finished pull is in every
// report until the server has taken one that held it.
struct pt_deliverer;

// Everything is borrowed as long as the deliverer lives.
struct pt_deliverer_options {
    struct event_base *base;
    struct pt_http_client *http;
    const struct pt_clock *clock;
    struct pt_tracker *tracker;
    struct pt_secret *identity; // the ServiceAccount's token; NULL: none
    struct pt_secret *token;    // shared by all agents, for when that is refused; NULL: none
    const char *server_url;
    const char *node_name;
    const char *ca_file;            // "": the system's
    struct pt_readiness *readiness; // NULL: nobody asks
};

// Warns when a token would go to another host in the clear.
PT_MUST_CHECK int pt_deliverer_create(const struct pt_deliverer_options *options,
                                      struct pt_deliverer **ret_deliverer, struct pt_error *err);
void pt_deliverer_destroy(struct pt_deliverer *deliverer);

// What the container runtime is, for the reports; copied.
void pt_deliverer_set_runtime(struct pt_deliverer *deliverer, const char *name,
                              const char *version);

// Reports if it is time to: soon if `is_news`, a pull has begun or ended since; else when `pace_ms`
// has passed or, when nothing is active, PT_REPORT_HEARTBEAT_MS, or more if the server's last
// answer has asked for that. What is too early is done later by itself.
void pt_deliverer_run(struct pt_deliverer *deliverer, bool is_news, int64_t pace_ms);

// The least distance of two reports that the server bears at present, in ms: more for a while after
// it was slow to answer or has refused a report as too early.
int64_t pt_deliverer_shortest_ms(const struct pt_deliverer *deliverer);

// Reports what has finished once more, then calls on_flushed: when the server has it, when it does
// not take it, or at once if nothing has finished.
void pt_deliverer_flush(struct pt_deliverer *deliverer, void (*on_flushed)(void *context),
                        void *context);

#endif
