// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "server/http/http_transport.h"
#include "server/http/tls.h"
#include "server/secrets/issue.h"
#include "server/secrets/pem.h"

#include "check.h"

#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// A peer may send messages of TLS's own, such as new keys, as fast as they are read. One call reads
// few of them, on either side, so that the loop goes on.

#define FLOOD 100
#define MAX_TURNS 1000000

struct fixture {
    struct event_base *base;
    char folder[32], ca_file[48], cert_file[48], key_file[48];
    struct pt_tls *tls;
    int connected_fd; // of our client, -1: none
};

static void write_file(const char *path, const struct pt_buffer *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
    fclose(file);
}

static void write_certificate(const char *path, X509 *certificate)
{
    struct pt_buffer text;
    pt_buffer_init(&text, 10000);
    assert_int_equal(pt_pem_write_certificate(certificate, &text), 0);
    write_file(path, &text);
    pt_buffer_finish(&text);
}

static void write_key(const char *path, EVP_PKEY *key)
{
    struct pt_buffer text;
    pt_buffer_init(&text, 10000);
    assert_int_equal(pt_pem_write_key(key, &text), 0);
    write_file(path, &text);
    pt_buffer_finish(&text);
}

static void write_files(const struct fixture *fixture)
{
    int64_t now = pt_clock_wall_ns(pt_clock_system());
    struct pt_issue_order order = {.made_at = now, .ends_at = now + 3600 * PT_NS_PER_S};
    X509 *certificate;
    EVP_PKEY *key;
    assert_int_equal(pt_issue(&order, &order.issuer, &order.issuer_key, NULL), 0);
    order.names = GENERAL_NAMES_new();
    sk_GENERAL_NAME_push(order.names,
                         a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, "127.0.0.1", 0));
    assert_int_equal(pt_issue(&order, &certificate, &key, NULL), 0);
    write_certificate(fixture->ca_file, order.issuer);
    write_certificate(fixture->cert_file, certificate);
    write_key(fixture->key_file, key);
    GENERAL_NAMES_free(order.names);
    X509_free(order.issuer);
    X509_free(certificate);
    EVP_PKEY_free(order.issuer_key);
    EVP_PKEY_free(key);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->connected_fd = -1;
    fixture->base = event_base_new();
    strcpy(fixture->folder, "/tmp/test_tls_flood-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->ca_file, sizeof(fixture->ca_file), "%s/ca", fixture->folder);
    snprintf(fixture->cert_file, sizeof(fixture->cert_file), "%s/cert", fixture->folder);
    snprintf(fixture->key_file, sizeof(fixture->key_file), "%s/key", fixture->folder);
    write_files(fixture);
    assert_int_equal(pt_tls_create(fixture->base, pt_clock_system(), fixture->cert_file,
                                   fixture->key_file, &fixture->tls, NULL),
                     0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_tls_destroy(fixture->tls);
    unlink(fixture->ca_file);
    unlink(fixture->cert_file);
    unlink(fixture->key_file);
    rmdir(fixture->folder);
    event_base_free(fixture->base);
    free(fixture);
    return 0;
}

// New keys, and then a word.
static void flood(SSL *ssl)
{
    for (int i = 0; i < FLOOD; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
    }
    assert_int_equal(SSL_write(ssl, "x", 1), 1);
}

static int unread_bytes(int fd)
{
    int bytes = 0;
    assert_int_equal(ioctl(fd, FIONREAD, &bytes), 0);
    return bytes;
}

static ssize_t read_of_server(void *transport, char *data, size_t size)
{
    ssize_t n = pt_transport_read(transport, data, size);
    return n == -EAGAIN ? 0 : n;
}

static ssize_t read_of_client(void *request, char *data, size_t size)
{
    return pt_http_request_receive(request, data, size);
}

static void check_reading(int fd, ssize_t (*read_some)(void *context, char *data, size_t size),
                          void *context)
{
    char data[16];
    ssize_t n;
    int calls = 1, unread = unread_bytes(fd);
    assert_int_equal(read_some(context, data, sizeof(data)), 0);
    assert_true(unread_bytes(fd) > unread / 2); // most of them are left
    while ((n = read_some(context, data, sizeof(data))) == 0 && calls++ < 2 * FLOOD) {
    }
    check_int("the word behind them", n, 1);
}

static void a_clients_flood_is_read_bit_by_bit(void **state)
{
    struct fixture *fixture = *state;
    int pair[2];
    char data[16];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct pt_transport transport = {.fd = pair[0], .ssl = pt_tls_accept(fixture->tls, pair[0])};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *client = SSL_new(context);
    SSL_set_fd(client, pair[1]);
    while (SSL_connect(client) != 1)
        assert_int_equal(pt_transport_read(&transport, data, sizeof(data)), -EAGAIN);
    assert_int_equal(pt_transport_read(&transport, data, sizeof(data)), -EAGAIN);
    flood(client);
    check_reading(pair[0], read_of_server, &transport);
    SSL_free(client);
    SSL_CTX_free(context);
    pt_transport_finish(&transport);
    close(pair[1]);
}

// A first message may have 131,000 bytes, and each of them a record of its own.
static void a_client_that_speaks_byte_by_byte_is_read_bit_by_bit(void **state)
{
    struct fixture *fixture = *state;
    static char records[6 * 30000];
    int pair[2], size = 1 << 20;
    char data[16];
    static const char hello[] = {1, 1, 0, 0, 3, 3}; // of 65,536 bytes
    for (size_t i = 0; i < sizeof(records) / 6; i++)
        memcpy(records + 6 * i, (char[]){22, 3, 1, 0, 1, i < sizeof(hello) ? hello[i] : 'x'}, 6);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    struct pt_transport transport = {.fd = pair[0], .ssl = pt_tls_accept(fixture->tls, pair[0])};
    assert_int_equal(send(pair[1], records, sizeof(records), 0), sizeof(records));
    assert_int_equal(pt_transport_read(&transport, data, sizeof(data)), -EAGAIN);
    check_int("reads half of them at once", unread_bytes(pair[0]) < (int)sizeof(records) / 2, 0);
    for (int calls = 0; unread_bytes(pair[0]) > 0 && calls < 1000; calls++)
        assert_int_equal(pt_transport_read(&transport, data, sizeof(data)), -EAGAIN);
    check_int("is all read", unread_bytes(pair[0]), 0);
    pt_transport_finish(&transport);
    close(pair[1]);
}

static void on_connected(void *context, int fd)
{
    ((struct fixture *)context)->connected_fd = fd;
}

static void on_not_connected(void *context, const struct pt_http_result *result)
{
    (void)context;
    fail_msg("not connected: %s", result->message);
}

static int listen_here(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(url, size, "https://127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static void a_servers_flood_is_read_bit_by_bit(void **state)
{
    struct fixture *fixture = *state;
    struct pt_http_client *http;
    struct pt_http_request *request;
    char url[64];
    int listener = listen_here(url, sizeof(url)), peer = -1;
    const struct pt_http_options options = {.url = url,
                                            .ca_file = fixture->ca_file,
                                            .on_connected = on_connected,
                                            .on_done = on_not_connected,
                                            .context = fixture};
    assert_int_equal(pt_http_client_create(fixture->base, &http, NULL), 0);
    assert_int_equal(pt_http_client_start(http, &options, &request, NULL), 0);
    SSL *server = NULL;
    for (int turns = 0; fixture->connected_fd < 0 && turns < MAX_TURNS; turns++) {
        event_base_loop(fixture->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (peer < 0)
            peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (peer >= 0 && !server)
            server = pt_tls_accept(fixture->tls, peer);
        if (server)
            (void)SSL_do_handshake(server);
    }
    assert_true(fixture->connected_fd >= 0);
    while (SSL_do_handshake(server) != 1) {
    }
    assert_int_equal(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    flood(server);
    check_reading(fixture->connected_fd, read_of_client, request);
    pt_http_request_cancel(request);
    pt_http_client_destroy(http);
    SSL_free(server);
    close(peer);
    close(listener);
}

// Our own end of the connection to that peer; it has just been opened.
static int find_client(int peer)
{
    struct sockaddr_in wanted, found;
    socklen_t length = sizeof(wanted);
    assert_int_equal(getsockname(peer, (struct sockaddr *)&wanted, &length), 0);
    for (int fd = 3; fd < 100; fd++) {
        length = sizeof(found);
        if (fd != peer && getpeername(fd, (struct sockaddr *)&found, &length) == 0 &&
            found.sin_family == AF_INET && found.sin_port == wanted.sin_port)
            return fd;
    }
    fail_msg("no client");
    return -1;
}

// Fills the connection with HelloRequests, which mean nothing while hands are shaken.
static void fill(int peer)
{
    static const char record[5 + 16384] = {22, 3, 3, 64, 0};
    while (send(peer, record, sizeof(record), MSG_NOSIGNAL) == sizeof(record)) {
    }
}

static int queued_bytes(int peer, int client)
{
    int unsent = 0;
    assert_int_equal(ioctl(peer, SIOCOUTQNSD, &unsent), 0);
    return unsent + unread_bytes(client);
}

static void a_servers_flood_of_nothing_is_read_bit_by_bit(void **state)
{
    struct fixture *fixture = *state;
    struct pt_http_client *http;
    struct pt_http_request *request;
    char url[64];
    int listener = listen_here(url, sizeof(url)), peer = -1;
    const struct pt_http_options options = {.url = url, .ca_file = fixture->ca_file};
    assert_int_equal(pt_http_client_create(fixture->base, &http, NULL), 0);
    assert_int_equal(pt_http_client_start(http, &options, &request, NULL), 0);
    for (int turns = 0; peer < 0 && turns < MAX_TURNS; turns++) {
        event_base_loop(fixture->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    }
    assert_true(peer >= 0);
    int client = find_client(peer);
    fill(peer);
    int queued = queued_bytes(peer, client), left = queued;
    assert_true(queued > 3 * PT_LIMIT_TLS_READ_BYTES);
    for (int turns = 0; left == queued && turns < MAX_TURNS; turns++) {
        event_base_loop(fixture->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        left = queued_bytes(peer, client);
    }
    check_int("read at once", queued - left > 2 * PT_LIMIT_TLS_READ_BYTES, 0);
    pt_http_request_cancel(request);
    pt_http_client_destroy(http);
    close(peer);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_clients_flood_is_read_bit_by_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_speaks_byte_by_byte_is_read_bit_by_bit,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_servers_flood_is_read_bit_by_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_servers_flood_of_nothing_is_read_bit_by_bit, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
