// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_VALKEY_VALKEY_LINK_H
#define PT_SERVER_VALKEY_VALKEY_LINK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct event_base;
struct pt_clock;
struct pt_http_client;
struct pt_loop;
struct pt_secret;
struct pt_valkey_url;
struct pt_resp_value;

// A connection to Valkey or Redis on the event loop, by RESP2
// (https://valkey.io/topics/protocol/). It greets (AUTH, SELECT), sends commands one behind the
// other without waiting, and gives each its answer. What fails, is silent for too long or breaks a
// limit is closed and opened anew, after a pause. The first one takes 0.1 s, each further one twice
// as long as the one before, up to 2 s; the row begins anew after a connection that was of use or
// was open for 10 s.
struct pt_valkey_link;

// All members are borrowed as long as the link lives.
struct pt_valkey_link_options {
    struct pt_http_client *client; // connects
    struct pt_loop *loop; // rests after no turn that leaves an answer half received; NULL: rests
    const struct pt_valkey_url *url;
    const char *ca_file;        // PEM; NULL or empty: the system's
    struct pt_secret *password; // its text may be empty: none
    size_t max_pending_bytes;   // commands that wait to be sent
    size_t max_reply_bytes;     // one answer
    int64_t
        max_silence_ms; // while a command waits for its answer, which takes 6 times that at most
    // Greeted: commands may be sent.
    void (*on_open)(void *context);
    // It could not be opened, or was open and is not any more. Commands under way have had their
    // call. Another try follows.
    void (*on_closed)(void *context, const char *why);
    void *context;
};

// The answer to a command; NULL: the connection broke, and nobody knows whether the command was
// carried out. Who returns true keeps it, and frees it.
typedef bool pt_valkey_reply_fn(void *context, struct pt_resp_value *reply);

// Begins to connect. NULL when out of memory.
struct pt_valkey_link *pt_valkey_link_create(struct event_base *base, const struct pt_clock *clock,
                                             const struct pt_valkey_link_options *options);

// Calls nobody any more. Not from within a callback.
void pt_valkey_link_destroy(struct pt_valkey_link *link);

// An argument of a command, of any bytes.
struct pt_valkey_argument {
    const void *data;
    size_t length;
};

// One that is a text, borrowed, without the NUL at its end.
static inline struct pt_valkey_argument pt_valkey_text(const char *text)
{
    return (struct pt_valkey_argument){text, strlen(text)};
}

// Sends a command. -ENOTCONN: it is not open; -ENOBUFS: too much waits to be sent or answered;
// -ENOMEM. Then on_reply (not NULL) is not called; else exactly once, unless the link is destroyed
// before.
PT_MUST_CHECK int pt_valkey_link_send(struct pt_valkey_link *link,
                                      const struct pt_valkey_argument *arguments, size_t count,
                                      pt_valkey_reply_fn *on_reply, void *context);

// What it is for has been done: that it opens says little, as of a Valkey that is full.
void pt_valkey_link_note_use(struct pt_valkey_link *link);

// Closes it, as a fault does: for who cannot use what came.
void pt_valkey_link_reset(struct pt_valkey_link *link, const char *why);

// Likewise when Valkey refuses: its words, and what they mean, are why.
void pt_valkey_link_reset_refused(struct pt_valkey_link *link, const char *error);

#endif
