// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define UNSENT_BYTES (64 * 1024) // that the kernel holds for a client that is slow to take them
#define SEND_BUFFER_BYTES (128 * 1024)

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value)); // each only makes things better
}

static int open_socket(const struct addrinfo *info, int *ret_fd)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // Accepted sockets inherit what is set here.
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
    set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES);
    if (info->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

// Takes the first address that works; IPv6 first, since it can stand for both.
static int open_first(const struct addrinfo *infos, int *ret_fd)
{
    static const int families[] = {AF_INET6, AF_INET};
    int r = -EADDRNOTAVAIL;
    for (size_t i = 0; i < 2; i++) {
        for (const struct addrinfo *info = infos; info; info = info->ai_next) {
            if (info->ai_family != families[i])
                continue;
            r = open_socket(info, ret_fd);
            if (r == 0 || r == -EADDRINUSE)
                return r;
        }
    }
    return r;
}

int pt_http_listen(struct event_base *base, const struct pt_address *address,
                   evconnlistener_cb on_accept, void *context, struct evconnlistener **ret_listener,
                   struct pt_error *err)
{
    char port[8];
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *infos;
    const char *host = address->host[0] ? address->host : NULL;
    snprintf(port, sizeof(port), "%u", address->port);
    int r = getaddrinfo(host, port, &hints, &infos);
    if (r != 0)
        return pt_error_set(err, EADDRNOTAVAIL, "cannot listen on %s:%s: %s", address->host, port,
                            gai_strerror(r));
    int fd = -1;
    r = open_first(infos, &fd);
    freeaddrinfo(infos);
    if (r < 0)
        return pt_error_set(err, -r, "cannot listen on %s:%s: %s", address->host, port,
                            strerror(-r));
    *ret_listener = evconnlistener_new(base, on_accept, context,
                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!*ret_listener) {
        close(fd);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    return 0;
}
