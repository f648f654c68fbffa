// SPDX-License-Identifier: Apache-2.0
#include "containerd/search.h"

#include "base/name_list.h"
#include "containerd/containerd_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One place and what is asked there.
struct probe {
    struct pt_search *search;
    struct pt_containerd *containerd; // until the next start: calls end in their own callbacks
    struct pt_finding *finding;
};

struct pt_search {
    struct pt_search_options options;
    struct pt_finding findings[PT_PLACE_COUNT];
    struct probe probes[PT_PLACE_COUNT];
    size_t count;
    size_t open;      // places that have not answered yet
    bool is_starting; // the end is noticed behind that
};

static void end_if_done(struct pt_search *search)
{
    if (search->open == 0 && !search->is_starting)
        search->options.on_done(search->options.context, search->findings, search->count);
}

static void end_probe(struct probe *probe, enum pt_finding_state state, const char *message)
{
    struct pt_search *search = probe->search;
    probe->finding->state = state;
    snprintf(probe->finding->message, sizeof(probe->finding->message), "%s", message);
    search->open--;
    end_if_done(search);
}

// --- what a place answers ---

// Containerd checks the names of its namespaces; whoever answers here may be another.
static void add_name(struct pt_finding *finding, const char *name)
{
    size_t used = strlen(finding->namespaces);
    bool is_clean = !strpbrk(name, "\n\r\033") && strlen(name) <= PT_LIMIT_NAME_BYTES;
    if (is_clean && used + strlen(name) + 3 < sizeof(finding->namespaces))
        snprintf(finding->namespaces + used, sizeof(finding->namespaces) - used, "%s%s",
                 used ? ", " : "", name);
}

static void on_namespaces(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct probe *probe = context;
    const Ctrd__ListNamespacesResponse *list = message;
    bool is_found = strcmp(probe->search->options.namespaces, "*") == 0;
    if (!list) {
        end_probe(probe, PT_FINDING_SILENT, status->message);
        return;
    }
    for (size_t i = 0; i < list->n_namespaces; i++) {
        const char *name = list->namespaces[i]->name;
        is_found |= pt_name_list_has(probe->search->options.namespaces, name);
        add_name(probe->finding, name);
    }
    char text[128];
    snprintf(text, sizeof(text), "it has no namespace %s", probe->search->options.namespaces);
    end_probe(probe, is_found ? PT_FINDING_FOUND : PT_FINDING_FOREIGN, is_found ? "" : text);
}

static void on_version(void *context, const struct pt_grpc_status *status, const void *message)
{
    struct probe *probe = context;
    const Ctrd__VersionResponse *response = message;
    struct pt_error err;
    if (!response) {
        end_probe(probe, PT_FINDING_SILENT, status->message);
        return;
    }
    snprintf(probe->finding->version, sizeof(probe->finding->version), "%s", response->version);
    if (pt_containerd_list_namespaces(probe->containerd, on_namespaces, probe, &err) < 0)
        end_probe(probe, PT_FINDING_SILENT, err.message);
}

static void start_probe(struct probe *probe)
{
    const struct pt_search_options *options = &probe->search->options;
    struct pt_error err;
    int r = pt_containerd_create(options->http, probe->finding->path, options->directories,
                                 &probe->containerd, &err);
    if (r == 0)
        r = pt_containerd_version(probe->containerd, on_version, probe, &err);
    if (r < 0)
        end_probe(probe, r == -ENOENT ? PT_FINDING_MISSING : PT_FINDING_REFUSED, err.message);
}

// --- what the header promises ---

static void clear_probes(struct pt_search *search)
{
    for (size_t i = 0; i < search->count; i++) {
        pt_containerd_destroy(search->probes[i].containerd);
        search->probes[i].containerd = NULL;
    }
}

int pt_search_create(const struct pt_search_options *options, struct pt_search **ret_search,
                     struct pt_error *err)
{
    struct pt_search *search = calloc(1, sizeof(*search));
    if (!search)
        return pt_error_set(err, ENOMEM, "out of memory");
    search->options = *options;
    search->count = options->socket_path[0] ? 1 : PT_PLACE_COUNT;
    *ret_search = search;
    return 0;
}

void pt_search_destroy(struct pt_search *search)
{
    if (!search)
        return;
    clear_probes(search);
    free(search);
}

void pt_search_start(struct pt_search *search)
{
    const struct pt_place named = {search->options.socket_path, ""};
    const struct pt_place *places = named.path[0] ? &named : pt_places;
    clear_probes(search);
    search->open = search->count;
    search->is_starting = true;
    for (size_t i = 0; i < search->count; i++) {
        search->findings[i] = (struct pt_finding){.path = places[i].path, .whose = places[i].whose};
        search->probes[i] = (struct probe){.search = search, .finding = &search->findings[i]};
        start_probe(&search->probes[i]);
    }
    search->is_starting = false;
    end_if_done(search);
}

const struct pt_finding *pt_search_best(const struct pt_finding *findings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (findings[i].state == PT_FINDING_FOUND)
            return &findings[i];
    }
    return NULL;
}
