// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_transport.h"

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SEND_BYTES (256 * 1024) // in one call
#define TLS_RECORD_BYTES (16 * 1024)
#define MAX_PIECES 64

void pt_transport_finish(struct pt_transport *transport)
{
    SSL_free(transport->ssl);
    close(transport->fd);
}

static ssize_t tls_result(struct pt_transport *transport, int r)
{
    switch (SSL_get_error(transport->ssl, r)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -EPROTO;
    }
}

ssize_t pt_transport_read(struct pt_transport *transport, void *data, size_t size)
{
    if (!transport->ssl) {
        ssize_t n = recv(transport->fd, data, size, 0);
        return n < 0 ? -errno : n;
    }
    ERR_clear_error(); // others use this thread's too
    int n = SSL_read(transport->ssl, data, (int)size);
    transport->read_waits_to_send = n <= 0 && SSL_want_write(transport->ssl);
    return n > 0 ? n : tls_result(transport, n);
}

bool pt_transport_turn_plain(struct pt_transport *transport)
{
    if (!transport->ssl || ERR_GET_REASON(ERR_peek_error()) != SSL_R_HTTP_REQUEST)
        return false;
    SSL_free(transport->ssl);
    transport->ssl = NULL;
    return true;
}

bool pt_transport_has_more(const struct pt_transport *transport)
{
    return transport->ssl && SSL_pending(transport->ssl) > 0;
}

bool pt_transport_is_established(const struct pt_transport *transport)
{
    return !transport->ssl || SSL_is_init_finished(transport->ssl);
}

ssize_t pt_transport_send(struct pt_transport *transport, const void *data, size_t length)
{
    if (!transport->ssl) {
        ssize_t n = send(transport->fd, data, length, MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
    }
    ERR_clear_error();
    int n = SSL_write(transport->ssl, data, (int)length);
    if (n > 0)
        return n;
    ssize_t r = tls_result(transport, n);
    return r < 0 ? r : -EPIPE;
}

static ssize_t send_pieces(struct pt_transport *transport, struct evbuffer *output)
{
    struct evbuffer_iovec pieces[MAX_PIECES];
    int count = evbuffer_peek(output, MAX_SEND_BYTES, NULL, pieces, MAX_PIECES);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces,
                             .msg_iovlen = (size_t)(count < MAX_PIECES ? count : MAX_PIECES)};
    ssize_t n = sendmsg(transport->fd, &message, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

ssize_t pt_transport_send_buffer(struct pt_transport *transport, struct evbuffer *output)
{
    ssize_t n;
    if (transport->ssl) {
        size_t length = evbuffer_get_length(output);
        length = length < TLS_RECORD_BYTES ? length : TLS_RECORD_BYTES;
        const void *data = evbuffer_pullup(output, (ssize_t)length);
        n = data ? pt_transport_send(transport, data, length) : -ENOMEM;
    } else {
        n = send_pieces(transport, output);
    }
    if (n > 0)
        evbuffer_drain(output, (size_t)n);
    return n;
}

void pt_transport_end_sending(struct pt_transport *transport)
{
    if (transport->ssl) {
        if (SSL_is_init_finished(transport->ssl))
            SSL_shutdown(transport->ssl);
        ERR_clear_error();
    }
    (void)shutdown(transport->fd, SHUT_WR);
}
