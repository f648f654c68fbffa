// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_HTTP_HTTP_LISTEN_H
#define PT_SERVER_HTTP_HTTP_LISTEN_H

#include "base/error.h"
#include "base/settings.h"

#include <event2/listener.h>

// Opens a listening socket; an empty host means every address, IPv6 and IPv4. The error names the
// address. Sockets that it accepts do not block.
PT_MUST_CHECK int pt_http_listen(struct event_base *base, const struct pt_address *address,
                                 evconnlistener_cb on_accept, void *context,
                                 struct evconnlistener **ret_listener, struct pt_error *err);

#endif
