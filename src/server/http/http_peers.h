// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_PEERS_H
#define PT_SERVER_HTTP_HTTP_PEERS_H

#include "base/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

// What the clients of one address hold: all of an IPv4 address, or of an IPv6 /64, of which
// everybody has more than he can use. Behind a proxy or NAT many share one address; so an address
// may have half of everything, and no less than one.
struct pt_peer {
    char name[40]; // the address, as text
    size_t connections;
    size_t streams;      // that do not end by themselves
    size_t long_answers; // that are sent in parts
};

struct pt_peers {
    struct pt_map by_name;
};

void pt_peers_init(struct pt_peers *peers);

// No peer holds a connection any more.
void pt_peers_finish(struct pt_peers *peers);

// The peer of that address with one connection more; NULL when out of memory.
struct pt_peer *pt_peers_add(struct pt_peers *peers, const struct sockaddr *address);

// One connection less; without any the peer is gone.
void pt_peers_remove(struct pt_peers *peers, struct pt_peer *peer);

// Whether a peer that holds `held` of `all` may have another.
static inline bool pt_peer_may_hold_more(size_t held, size_t all)
{
    return held < all - all / 2;
}

#endif
