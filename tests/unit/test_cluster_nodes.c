// SPDX-License-Identifier: Apache-2.0
#include "server/cluster/cluster_nodes.h"

#include "check.h"

#include <stdlib.h>

static int apply(struct pt_cluster_nodes *nodes, enum pt_kube_change change, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    assert_non_null(doc);
    int r = pt_cluster_nodes_apply(nodes, change, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return r;
}

static int64_t count(struct pt_cluster_nodes *nodes)
{
    struct pt_cluster_walk walk;
    int64_t met = 0;
    pt_cluster_walk_begin(nodes, &walk);
    for (; pt_cluster_walk_next(&walk); met++) {
    }
    pt_cluster_walk_end(&walk);
    return met;
}

static struct pt_cluster_nodes *make_nodes(size_t max_nodes)
{
    struct pt_cluster_nodes *nodes;
    struct pt_error err;
    assert_int_equal(pt_cluster_nodes_create(NULL, max_nodes, &nodes, &err), 0);
    return nodes;
}

#define NODE(name, status) "{\"metadata\":{\"name\":\"" name "\"},\"status\":" status "}"
#define RUNTIME(text) "{\"nodeInfo\":{\"containerRuntimeVersion\":" text "}}"

static void reads_the_runtime_of_a_node(void **state)
{
    static const struct {
        const char *json, *name, *version;
    } cases[] = {
        {NODE("n", RUNTIME("\"cri-o://1.31.0\"")), "cri-o", "1.31.0"},
        {NODE("n", RUNTIME("\"containerd://2.1.4-k3s1\"")), "containerd", "2.1.4-k3s1"},
        {NODE("n", RUNTIME("\"docker://\"")), "docker", NULL},
        {NODE("n", RUNTIME("\"://1\"")), NULL, "1"},
        {NODE("n", RUNTIME("\"odd\"")), NULL, NULL},
        {NODE("n", RUNTIME("7")), NULL, NULL},
        {NODE("n", "{}"), NULL, NULL},
        {"{\"metadata\":{\"name\":\"n\"}}", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_cluster_nodes *nodes = make_nodes(10);
        check_int(cases[i].json, apply(nodes, PT_KUBE_ADDED, cases[i].json), 0);
        const struct pt_cluster_node *node = pt_cluster_nodes_find(nodes, "n");
        assert_non_null(node);
        check_text(cases[i].json, node->runtime_name, cases[i].name);
        check_text(cases[i].json, node->runtime_version, cases[i].version);
        pt_cluster_nodes_destroy(nodes);
    }
}

static void an_object_without_a_name_is_refused(void **state)
{
    static const char *const cases[] = {"{}", "{\"metadata\":{}}", NODE("", "{}"), "[]"};
    (void)state;
    struct pt_cluster_nodes *nodes = make_nodes(10);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i], apply(nodes, PT_KUBE_ADDED, cases[i]), -EINVAL);
    check_int("count", count(nodes), 0);
    pt_cluster_nodes_destroy(nodes);
}

static void nodes_come_change_and_go(void **state)
{
    (void)state;
    struct pt_cluster_nodes *nodes = make_nodes(10);
    check_int("added", apply(nodes, PT_KUBE_ADDED, NODE("a", RUNTIME("\"x://1\""))), 0);
    check_int("changed", apply(nodes, PT_KUBE_MODIFIED, NODE("a", RUNTIME("\"x://2\""))), 0);
    check_text("version", pt_cluster_nodes_find(nodes, "a")->runtime_version, "2");
    check_int("count", count(nodes), 1);
    check_int("deleted", apply(nodes, PT_KUBE_DELETED, NODE("a", "{}")), 0);
    assert_null(pt_cluster_nodes_find(nodes, "a"));
    check_int("again", apply(nodes, PT_KUBE_DELETED, NODE("a", "{}")), 0);
    pt_cluster_nodes_destroy(nodes);
}

static void nodes_beyond_the_limit_are_counted(void **state)
{
    (void)state;
    struct pt_cluster_nodes *nodes = make_nodes(1);
    check_int("first", apply(nodes, PT_KUBE_ADDED, NODE("a", "{}")), 0);
    check_int("second", apply(nodes, PT_KUBE_ADDED, NODE("b", "{}")), 0);
    check_int("first changes", apply(nodes, PT_KUBE_MODIFIED, NODE("a", "{}")), 0);
    check_int("count", count(nodes), 1);
    check_int("left out", (int64_t)pt_cluster_nodes_left_out(nodes), 1);
    pt_cluster_nodes_destroy(nodes);
}

static void a_walk_meets_each_once_whatever_changes_meanwhile(void **state)
{
    (void)state;
    struct pt_cluster_nodes *nodes = make_nodes(10);
    struct pt_cluster_walk walk, none;
    static const char *const names[] = {NODE("a", "{}"), NODE("b", "{}"), NODE("c", "{}"),
                                        NODE("d", "{}")};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        check_int(names[i], apply(nodes, PT_KUBE_ADDED, names[i]), 0);
    pt_cluster_walk_begin(nodes, &walk);
    check_text("first", pt_cluster_walk_next(&walk)->name, "a");
    check_int("met, and changes", apply(nodes, PT_KUBE_MODIFIED, NODE("a", "{}")), 0);
    check_int("next, and goes", apply(nodes, PT_KUBE_DELETED, NODE("b", "{}")), 0);
    check_int("then the next, and changes",
              apply(nodes, PT_KUBE_MODIFIED, NODE("c", RUNTIME("\"x://2\""))), 0);
    check_int("comes", apply(nodes, PT_KUBE_ADDED, NODE("e", "{}")), 0);
    const struct pt_cluster_node *node = pt_cluster_walk_next(&walk);
    check_text("second", node->name, "c");
    check_text("as it is now", node->runtime_version, "2");
    check_text("third", pt_cluster_walk_next(&walk)->name, "d");
    check_text("fourth", pt_cluster_walk_next(&walk)->name, "e");
    assert_null(pt_cluster_walk_next(&walk));
    pt_cluster_walk_end(&walk);
    pt_cluster_walk_begin(NULL, &none);
    assert_null(pt_cluster_walk_next(&none));
    pt_cluster_walk_end(&none);
    pt_cluster_walk_begin(nodes, &walk);
    pt_cluster_nodes_destroy(nodes);
    assert_null(pt_cluster_walk_next(&walk));
    pt_cluster_walk_end(&walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_runtime_of_a_node),
        cmocka_unit_test(an_object_without_a_name_is_refused),
        cmocka_unit_test(nodes_come_change_and_go),
        cmocka_unit_test(nodes_beyond_the_limit_are_counted),
        cmocka_unit_test(a_walk_meets_each_once_whatever_changes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
