// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_TRANSPORT_H
#define PT_SERVER_HTTP_HTTP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct evbuffer;
struct ssl_st;

// The bytes of a connection, plain or with TLS. No call blocks.
struct pt_transport {
    int fd;
    struct ssl_st *ssl;      // NULL: plain
    bool read_waits_to_send; // TLS has something of its own to send before it can go on reading
};

// Closes the socket.
void pt_transport_finish(struct pt_transport *transport);

// Bytes read, 0 at the end, -EAGAIN when there are none now, or another error.
ssize_t pt_transport_read(struct pt_transport *transport, void *data, size_t size);

// After a read that failed: whether the client began with a plain HTTP request where TLS is spoken.
// It is spoken to in plain text from then on; the beginning of its request is lost.
bool pt_transport_turn_plain(struct pt_transport *transport);

// Whether bytes are left that the kernel no longer announces.
bool pt_transport_has_more(const struct pt_transport *transport);

// Whether hands have been shaken; without TLS there is nothing to shake.
bool pt_transport_is_established(const struct pt_transport *transport);

// Bytes sent, -EAGAIN when none are taken now, or another error.
ssize_t pt_transport_send(struct pt_transport *transport, const void *data, size_t length);

// The same from the front of a buffer, which is drained by so many.
ssize_t pt_transport_send_buffer(struct pt_transport *transport, struct evbuffer *output);

// Lets the peer know that nothing more will come.
void pt_transport_end_sending(struct pt_transport *transport);

#endif
