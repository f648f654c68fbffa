// SPDX-License-Identifier: Apache-2.0
#include "agent/readiness.h"

#include "check.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// The agent's side and the other process's side, both in this process, which finds its own files.

static struct scene {
    struct event_base *base;
    struct pt_clock clock;
    int64_t now;
    char node_name[300];
    struct pt_readiness *readiness;
    char said[512];
} scene;

static int64_t now(void *context)
{
    return ((struct scene *)context)->now;
}

static void begin(const char *node_name, bool has_server)
{
    struct pt_error err;
    scene = (struct scene){.base = event_base_new(), .now = 5000 * PT_NS_PER_S};
    scene.clock = (struct pt_clock){now, now, &scene};
    // No other test that runs at the same time has this name.
    snprintf(scene.node_name, sizeof(scene.node_name), "%s-%d", node_name, (int)getpid());
    if (pt_readiness_create(scene.base, &scene.clock, scene.node_name, has_server, &scene.readiness,
                            &err) < 0)
        fail_msg("%s", err.message);
}

static void end(void)
{
    pt_readiness_destroy(scene.readiness);
    event_base_free(scene.base);
}

static bool probe_node(const char *node_name)
{
    FILE *out = fmemopen(scene.said, sizeof(scene.said), "w");
    bool is_ready = pt_readiness_probe(node_name, &scene.clock, out);
    fclose(out);
    return is_ready;
}

static void check_probe(bool is_ready, const char *said)
{
    check_int(said, probe_node(scene.node_name), is_ready);
    check_text(said, scene.said, said);
}

static void both_must_be_reached(void **state)
{
    (void)state;
    begin("node", true);
    check_probe(false,
                "containerd NOT reached (not asked yet), server NOT reached (not asked yet)\n");
    pt_readiness_set_containerd(scene.readiness, NULL);
    check_probe(false, "containerd reached, server NOT reached (not asked yet)\n");
    pt_readiness_set_server(scene.readiness, NULL);
    check_probe(true, "containerd reached, server reached\n");
    pt_readiness_set_server(scene.readiness, "HTTP status 401");
    check_probe(false, "containerd reached, server NOT reached (HTTP status 401)\n");
    pt_readiness_set_server(scene.readiness, NULL);
    pt_readiness_set_containerd(scene.readiness, "no such socket");
    check_probe(false, "containerd NOT reached (no such socket), server reached\n");
    end();
}

static void without_a_server_containerd_is_enough(void **state)
{
    (void)state;
    begin("alone", false);
    pt_readiness_set_containerd(scene.readiness, NULL);
    check_probe(true, "containerd reached, server none\n");
    end();
}

static void who_does_not_move_is_not_ready(void **state)
{
    (void)state;
    begin("stuck", true);
    pt_readiness_set_containerd(scene.readiness, NULL);
    pt_readiness_set_server(scene.readiness, NULL);
    scene.now += 60 * PT_NS_PER_S;
    check_probe(true, "containerd reached, server reached\n");
    scene.now += PT_NS_PER_S;
    check_probe(false, "the agent has not moved for 61 s\n");
    pt_readiness_set_server(scene.readiness, NULL);
    check_probe(true, "containerd reached, server reached\n");
    end();
}

static void the_agent_of_the_node_is_found_and_no_other(void **state)
{
    (void)state;
    begin("mine", true);
    assert_false(probe_node("mine"));
    check_text("another node", scene.said, "no pulltrace-agent of node mine runs here\n");
    struct pt_readiness *readiness = scene.readiness;
    scene.readiness = NULL;
    pt_readiness_destroy(readiness);
    assert_false(probe_node(scene.node_name));
    end();
}

static void what_is_long_is_cut(void **state)
{
    (void)state;
    char name[254], why[400];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(why, 'w', sizeof(why) - 1);
    why[sizeof(why) - 1] = '\0';
    begin(name, true);
    pt_readiness_set_containerd(scene.readiness, why);
    assert_false(probe_node(scene.node_name));
    check_int("length", (int64_t)strcspn(strchr(scene.said, '('), ")"), 160);
    end();
}

static void a_peers_words_steer_no_terminal(void **state)
{
    (void)state;
    begin("steered", true);
    pt_readiness_set_containerd(scene.readiness, "a\033[2J\nb");
    pt_readiness_set_server(scene.readiness, "\xc2\x9b"
                                             "31m");
    check_probe(false, "containerd NOT reached (a?[2J?b), server NOT reached (??31m)\n");
    end();
}

static void no_readiness_is_no_trouble(void **state)
{
    (void)state;
    pt_readiness_set_containerd(NULL, NULL);
    pt_readiness_set_server(NULL, "why");
    pt_readiness_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_must_be_reached),
        cmocka_unit_test(without_a_server_containerd_is_enough),
        cmocka_unit_test(who_does_not_move_is_not_ready),
        cmocka_unit_test(the_agent_of_the_node_is_found_and_no_other),
        cmocka_unit_test(what_is_long_is_cut),
        cmocka_unit_test(a_peers_words_steer_no_terminal),
        cmocka_unit_test(no_readiness_is_no_trouble),
    };
    return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
