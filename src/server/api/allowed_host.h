// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_API_ALLOWED_HOST_H
#define PT_SERVER_API_ALLOWED_HOST_H

#include <stdbool.h>

// Whether a request may ask for that Host (NULL: it names none): one of the comma-separated names,
// with any port, or an address or `localhost`, which no page can make its own name. An empty list
// allows all. A page whose name suddenly means this server's address (DNS rebinding) is so refused.
bool pt_host_is_allowed(const char *names, const char *host);

// Whether a request comes from a page of another origin, by what browsers say of it: Sec-Fetch-Site
// (https://www.w3.org/TR/fetch-metadata/) and Origin, both NULL when not sent, and the Host asked
// for.
bool pt_origin_is_foreign(const char *fetch_site, const char *origin, const char *host);

#endif
