// SPDX-License-Identifier: Apache-2.0
#include "containerd/search.h"

#include "containerd/containerd_api.h"

#include "check.h"

#include <stdlib.h>

// Which containerd is taken of those that answer at the usual places. The calls are the test's.

struct pt_containerd {
    const struct scene_place *place;
};

static struct scene_place {
    const char *path;
    const char *version;       // NULL: nobody answers
    const char *namespaces[3]; // "!": that is not answered
} const *scene;

static unsigned open_containerds, asked;

int pt_containerd_create(struct pt_http_client *http, const char *socket_path,
                         const char *socket_directories, struct pt_containerd **ret_containerd,
                         struct pt_error *err)
{
    (void)http, (void)err;
    check_text("directories", socket_directories, "/run");
    struct pt_containerd *containerd = calloc(1, sizeof(*containerd));
    assert_non_null(containerd);
    for (const struct scene_place *place = scene; place->path; place++) {
        if (strcmp(place->path, socket_path) == 0)
            containerd->place = place;
    }
    open_containerds++;
    *ret_containerd = containerd;
    return 0;
}

void pt_containerd_destroy(struct pt_containerd *containerd)
{
    open_containerds -= containerd != NULL;
    free(containerd);
}

static const struct pt_grpc_status ok = {PT_GRPC_OK, false, ""};
static const struct pt_grpc_status refused = {PT_GRPC_UNKNOWN, true, "connection refused"};

int pt_containerd_version(struct pt_containerd *containerd, pt_containerd_answer *answer,
                          void *context, struct pt_error *err)
{
    asked++;
    if (!containerd->place)
        return pt_error_set(err, ENOENT, "it does not exist");
    if (!containerd->place->version)
        answer(context, &refused, NULL);
    else if (!containerd->place->version[0])
        return pt_error_set(err, EACCES, "it is owned by uid 7");
    else {
        Ctrd__VersionResponse response = CTRD__VERSION_RESPONSE__INIT;
        response.version = (char *)containerd->place->version;
        answer(context, &ok, &response);
    }
    return 0;
}

int pt_containerd_list_namespaces(struct pt_containerd *containerd, pt_containerd_answer *answer,
                                  void *context, struct pt_error *err)
{
    (void)err;
    Ctrd__Namespace items[3];
    Ctrd__Namespace *list[3];
    Ctrd__ListNamespacesResponse response = CTRD__LIST_NAMESPACES_RESPONSE__INIT;
    for (size_t i = 0; i < 3 && containerd->place->namespaces[i]; i++) {
        ctrd__namespace__init(&items[i]);
        items[i].name = (char *)containerd->place->namespaces[i];
        list[response.n_namespaces++] = &items[i];
    }
    response.namespaces = list;
    if (response.n_namespaces && strcmp(items[0].name, "!") == 0)
        answer(context, &refused, NULL);
    else
        answer(context, &ok, &response);
    return 0;
}

static struct pt_finding found[PT_PLACE_COUNT];
static size_t found_count, best_index;
static unsigned ends;

static void on_done(void *context, const struct pt_finding *findings, size_t count)
{
    (void)context;
    const struct pt_finding *best = pt_search_best(findings, count);
    memcpy(found, findings, count * sizeof(found[0]));
    found_count = count;
    best_index = best ? (size_t)(best - findings) : SIZE_MAX;
    ends++;
}

static void search(const struct scene_place *places, const char *socket_path,
                   const char *namespaces)
{
    const struct pt_search_options options = {
        .socket_path = socket_path,
        .directories = "/run",
        .namespaces = namespaces,
        .on_done = on_done,
    };
    struct pt_search *object;
    scene = places;
    ends = asked = 0;
    assert_int_equal(pt_search_create(&options, &object, NULL), 0);
    pt_search_start(object);
    pt_search_start(object);
    check_int("each search ends once", ends, 2);
    check_int("each place is asked", asked, 2 * found_count);
    pt_search_destroy(object);
    check_int("none is left open", open_containerds, 0);
}

static void the_first_with_the_namespace_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct scene_place places[4];
        const char *namespaces;
        const char *taken; // NULL: none
    } rows[] = {
        {"nothing anywhere", {{NULL, NULL, {NULL}}}, "k8s.io", NULL},
        {"one",
         {{"/run/containerd/containerd.sock", "2.1", {"default", "k8s.io"}}},
         "k8s.io",
         "/run/containerd/containerd.sock"},
        {"Docker's beside that of k3s",
         {{"/run/k3s/containerd/containerd.sock", "2.1", {"k8s.io"}},
          {"/run/containerd/containerd.sock", "1.7", {"moby"}}},
         "k8s.io",
         "/run/k3s/containerd/containerd.sock"},
        {"a dead one before it",
         {{"/run/k3s/containerd/containerd.sock", NULL, {NULL}},
          {"/run/k0s/containerd.sock", "", {NULL}},
          {"/run/containerd/containerd.sock", "1.7", {"k8s.io"}}},
         "k8s.io",
         "/run/containerd/containerd.sock"},
        {"two with the namespace",
         {{"/run/containerd/containerd.sock", "1.7", {"k8s.io"}},
          {"/var/snap/microk8s/common/run/containerd.sock", "1.7", {"k8s.io"}}},
         "k8s.io",
         "/var/snap/microk8s/common/run/containerd.sock"},
        {"in a container that has the node's files below /host",
         {{"/host/run/k3s/containerd/containerd.sock", "1.7", {"k8s.io"}}},
         "k8s.io",
         "/host/run/k3s/containerd/containerd.sock"},
        {"none has it",
         {{"/run/containerd/containerd.sock", "1.7", {"moby", "k8s.io.not", "k8s"}}},
         "k8s.io",
         NULL},
        {"its namespaces are not known",
         {{"/run/containerd/containerd.sock", "1.7", {"!"}}},
         "k8s.io",
         NULL},
        {"one of several",
         {{"/run/containerd/containerd.sock", "1.7", {"moby"}}},
         "k8s.io,moby",
         "/run/containerd/containerd.sock"},
        {"any will do",
         {{"/run/containerd/containerd.sock", "1.7", {NULL}}},
         "*",
         "/run/containerd/containerd.sock"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        search(rows[i].places, "", rows[i].namespaces);
        check_int(rows[i].name, found_count, PT_PLACE_COUNT);
        if (rows[i].taken)
            check_text(rows[i].name, best_index < found_count ? found[best_index].path : "none",
                       rows[i].taken);
        else
            assert_true(best_index == SIZE_MAX);
    }
}

static void each_place_says_why_not(void **state)
{
    (void)state;
    static const struct scene_place places[] = {
        {"/run/k3s/containerd/containerd.sock", NULL, {NULL}},
        {"/run/k0s/containerd.sock", "", {NULL}},
        {"/run/containerd/containerd.sock", "1.7", {"moby", "x\033[2J"}},
        {NULL, NULL, {NULL}},
    };
    search(places, "", "k8s.io");
    check_int("k3s", found[0].state, PT_FINDING_SILENT);
    check_text("why", found[0].message, "connection refused");
    check_int("k0s", found[1].state, PT_FINDING_REFUSED);
    check_text("why", found[1].message, "it is owned by uid 7");
    check_int("MicroK8s", found[2].state, PT_FINDING_MISSING);
    check_int("the usual one", found[3].state, PT_FINDING_FOREIGN);
    check_text("why", found[3].message, "it has no namespace k8s.io");
    check_text("its version", found[3].version, "1.7");
    check_text("without what no namespace is called", found[3].namespaces, "moby");
}

static void a_named_place_is_the_only_one(void **state)
{
    (void)state;
    static const struct scene_place places[] = {
        {"/run/mine.sock", "1.7", {"k8s.io"}},
        {"/run/containerd/containerd.sock", "1.7", {"k8s.io"}},
        {NULL, NULL, {NULL}},
    };
    search(places, "/run/mine.sock", "k8s.io");
    check_int("places", found_count, 1);
    check_int("found", best_index, 0);
    check_text("the setting's", found[0].path, "/run/mine.sock");
    check_text("nobody's", found[0].whose, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_with_the_namespace_is_taken),
        cmocka_unit_test(each_place_says_why_not),
        cmocka_unit_test(a_named_place_is_the_only_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
