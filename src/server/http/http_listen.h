// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_LISTEN_H
#define PT_SERVER_HTTP_HTTP_LISTEN_H

#include "base/error.h"
#include "base/settings.h"

struct event_base;
struct evconnlistener;

// Opens a listening socket; an empty host means every address, IPv6 and IPv4. The error names the
// address. The listener has no callback yet.
PT_MUST_CHECK int pt_http_listen(struct event_base *base, const struct pt_address *address,
                                 struct evconnlistener **ret_listener, struct pt_error *err);

#endif
