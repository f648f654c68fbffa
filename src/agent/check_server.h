// SPDX-License-Identifier: Apache-2.0
#ifndef PT_AGENT_CHECK_SERVER_H
#define PT_AGENT_CHECK_SERVER_H

#include <stdbool.h>

struct pt_check_lines;
struct pt_check_options;
struct pt_http_client;

// The part of --check that asks the server: whether it is reached, and takes the agent's token. It
// sends a report that is refused for its content type, behind the look at the token.
struct pt_check_server {
    const struct pt_check_options *options;
    struct pt_http_client *http;
    struct pt_check_lines *lines;
    void (*on_done)(void *context);
    void *context;
    bool sends_shared; // token, since the other one was refused
    char answer[1024]; // the begin of its body
};

// on_done is called once, maybe within; the struct lives until then.
void pt_check_server_ask(struct pt_check_server *server);

#endif
