// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_SEARCH_H
#define PT_CONTAINERD_SEARCH_H

#include "base/error.h"
#include "base/limits.h"
#include "containerd/places.h"

#include <stddef.h>

struct pt_http_client;

// Looks which containerd is the one that Kubernetes uses: asks each place whether a containerd
// answers there, and which namespaces it has.
struct pt_search;

enum pt_finding_state {
    PT_FINDING_MISSING, // nothing is there
    PT_FINDING_REFUSED, // something is there that may not be used
    PT_FINDING_SILENT,  // a socket, behind which no containerd answers
    PT_FINDING_FOREIGN, // a containerd that has none of the namespaces
    PT_FINDING_FOUND,
};

// What is at one place.
struct pt_finding {
    const char *path;
    const char *whose; // "": named by the setting
    enum pt_finding_state state;
    char version[PT_LIMIT_NAME_BYTES + 1]; // of the containerd that answers, else ""
    char namespaces[256];                  // that it has, cut to fit
    char message[256];                     // why not, else ""
};

// Texts and objects are borrowed as long as the search lives.
struct pt_search_options {
    struct pt_http_client *http;
    const char *socket_path; // "": the usual places
    const char *directories; // that a socket may lie under, comma-separated
    const char *namespaces;  // one of which it must have, comma-separated; "*": any
    // The findings are borrowed until the next start. May not destroy the search.
    void (*on_done)(void *context, const struct pt_finding *findings, size_t count);
    void *context;
};

PT_MUST_CHECK int pt_search_create(const struct pt_search_options *options,
                                   struct pt_search **ret_search, struct pt_error *err);

// Cancels what is under way; not to be called from a callback of a call. NULL is allowed.
void pt_search_destroy(struct pt_search *search);

// Ends with on_done, maybe within this call. Not while one is under way, nor from on_done.
void pt_search_start(struct pt_search *search);

// The first that was found, NULL: none.
const struct pt_finding *pt_search_best(const struct pt_finding *findings, size_t count);

#endif
