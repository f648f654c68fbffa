// SPDX-License-Identifier: Apache-2.0
#include "server/http/http_peers.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(((struct pt_peer *)0)->name) > INET6_ADDRSTRLEN - 7, "a /64 as text");

static void write_ipv6(const struct in6_addr *address, char *name, size_t size)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, &address->s6_addr[12], name, (socklen_t)size);
        return;
    }
    struct in6_addr network = {0};
    memcpy(&network, address, 8);
    inet_ntop(AF_INET6, &network, name, (socklen_t)size);
}

static void write_name(const struct sockaddr *address, char *name, size_t size)
{
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, name, (socklen_t)size);
    else if (address->sa_family == AF_INET6)
        write_ipv6(&((const struct sockaddr_in6 *)address)->sin6_addr, name, size);
    else
        snprintf(name, size, "local");
}

void pt_peers_init(struct pt_peers *peers)
{
    pt_map_init(&peers->by_name);
}

void pt_peers_finish(struct pt_peers *peers)
{
    assert(peers->by_name.count == 0);
    pt_map_finish(&peers->by_name);
}

struct pt_peer *pt_peers_add(struct pt_peers *peers, const struct sockaddr *address)
{
    char name[sizeof(((struct pt_peer *)0)->name)];
    write_name(address, name, sizeof(name));
    struct pt_peer *peer = pt_map_get(&peers->by_name, name);
    if (!peer) {
        peer = calloc(1, sizeof(*peer));
        if (!peer)
            return NULL;
        memcpy(peer->name, name, sizeof(name));
        if (pt_map_add(&peers->by_name, peer->name, peer) < 0) {
            free(peer);
            return NULL;
        }
    }
    peer->connections++;
    return peer;
}

void pt_peers_remove(struct pt_peers *peers, struct pt_peer *peer)
{
    if (--peer->connections > 0)
        return;
    pt_map_remove(&peers->by_name, peer->name);
    free(peer);
}
