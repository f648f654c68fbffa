// SPDX-License-Identifier: Apache-2.0
#include "server/http/tls.h"

#include "base/log.h"
#include "base/same_file.h"
#include "base/timer.h"
#include "base/tls_bound.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MS 5000

// All of TLS 1.3's are such: with authenticated encryption and forward secrecy.
#define TLS_1_2_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct pt_tls {
    const char *cert_file;
    const char *key_file;
    SSL_CTX *context;
    struct stat seen[2];
    struct pt_timer *timer;
    bool failing;
};

static int fail(const char *file, struct pt_error *err)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return pt_error_set(err, EINVAL, "%s: %s", file, reason ? reason : "not usable");
}

static int load(struct pt_tls *tls, struct pt_error *err)
{
    int r = 0;
    struct stat now[2];
    if (stat(tls->cert_file, &now[0]) < 0)
        return pt_error_set(err, errno, "%s: %s", tls->cert_file, strerror(errno));
    if (stat(tls->key_file, &now[1]) < 0)
        return pt_error_set(err, errno, "%s: %s", tls->key_file, strerror(errno));
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return pt_error_set(err, ENOMEM, "out of memory");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // A ticket's key would be as old as the process, and keep no secret forward. An agent holds its
    // connection; a browser's new handshake costs a millisecond.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Else one call reads on behind each message of TLS's own, such as a new key, and never returns
    // while a client sends more of them. The socket is asked again in the next turn.
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    if (SSL_CTX_set_cipher_list(context, TLS_1_2_SUITES) != 1)
        r = fail("TLS 1.2", err);
    else if (SSL_CTX_use_certificate_chain_file(context, tls->cert_file) != 1)
        r = fail(tls->cert_file, err);
    else if (SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(context) != 1)
        r = fail(tls->key_file, err);
    if (r < 0) {
        SSL_CTX_free(context);
        return r;
    }
    SSL_CTX_free(tls->context); // connections that still use it hold it
    tls->context = context;
    memcpy(tls->seen, now, sizeof(now));
    return 0;
}

static void on_look(void *context)
{
    struct pt_tls *tls = context;
    struct stat cert, key;
    if (stat(tls->cert_file, &cert) == 0 && stat(tls->key_file, &key) == 0 &&
        pt_is_same_file(&cert, &tls->seen[0]) && pt_is_same_file(&key, &tls->seen[1]))
        return;
    struct pt_error err;
    int r = load(tls, &err);
    if (r == 0)
        pt_log_info("tls.reloaded", pt_log_text("file", tls->cert_file));
    else if (!tls->failing)
        pt_log_warn("tls.reload_failed", pt_log_text("text", "the last good certificate stays"),
                    pt_log_text("error", err.message));
    tls->failing = r < 0;
}

int pt_tls_create(struct event_base *base, const struct pt_clock *clock, const char *cert_file,
                  const char *key_file, struct pt_tls **ret_tls, struct pt_error *err)
{
    struct pt_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return pt_error_set(err, ENOMEM, "out of memory");
    tls->cert_file = cert_file;
    tls->key_file = key_file;
    int r = load(tls, err);
    if (r == 0) {
        tls->timer = pt_timer_create(base, clock, on_look, tls);
        if (tls->timer)
            pt_timer_start_every(tls->timer, LOOK_MS);
        else
            r = pt_error_set(err, ENOMEM, "out of memory");
    }
    if (r < 0) {
        pt_tls_destroy(tls);
        return r;
    }
    *ret_tls = tls;
    return 0;
}

void pt_tls_destroy(struct pt_tls *tls)
{
    if (!tls)
        return;
    pt_timer_destroy(tls->timer);
    SSL_CTX_free(tls->context);
    free(tls);
}

SSL *pt_tls_accept(struct pt_tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (ssl) {
        SSL_set_accept_state(ssl);
        pt_tls_bound(ssl);
    }
    return ssl;
}
