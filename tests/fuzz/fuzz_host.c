// SPDX-License-Identifier: Apache-2.0
#include "base/url.h"
#include "server/api/allowed_host.h"
#include "source.h"

#include <assert.h>
#include <strings.h>

// Headers by which a browser or a proxy says who asks for what: Host, Origin, Sec-Fetch-Site; and
// URLs of settings.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    unsigned how = take(&source);
    char *host = take_text(&source, 1);
    char *origin = take_text(&source, 1);
    char *site = take_text(&source, 1);
    char *names = take_rest(&source);
    bool is_allowed = pt_host_is_allowed(names, how & 1 ? host : NULL);
    assert(is_allowed || *names); // an empty list allows all
    assert(!*names || how & 1 || !is_allowed);
    assert(pt_host_is_allowed("a.example", "a.example:80"));
    if (is_allowed && strspn(names, "abcdefghijklmnopqrstuvwxyz.,") == strlen(names) && *names &&
        strspn(host, "abcdefghijklmnopqrstuvwxyz.") == strlen(host) && *host)
        assert(strstr(names, host) || strcmp(host, "localhost") == 0);
    bool is_foreign =
        pt_origin_is_foreign(how & 2 ? site : NULL, how & 4 ? origin : NULL, how & 1 ? host : NULL);
    if (!is_foreign && how & 4) {
        size_t length = strlen(origin), end = strlen(host);
        assert(how & 1 && length >= end && strcasecmp(origin + length - end, host) == 0);
    }
    if (!is_foreign && how & 2)
        assert(strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0);
    if (pt_url_is_in_clear(origin))
        assert(!strstr(origin, "https://") || origin[0] != 'h' ||
               strstr(origin, "https://") != origin);
    free(host);
    free(origin);
    free(site);
    free(names);
    return 0;
}
