// SPDX-License-Identifier: Apache-2.0
#include "server/correlate.h"

#include "server/legacy_report.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define NODE "n1"

// A correlation whose clock stands at `seconds`, and what it told last of each row.
struct fixture {
    struct pt_correlate *correlate;
    int64_t seconds;
    char told[20][400];
    char keys[20][200];
    size_t key_count;
    int64_t failures; // new ones, summed up
    int calls;
};

static int64_t fake_now(void *context)
{
    struct fixture *fixture = context;
    return fixture->seconds * PT_NS_PER_S;
}

static struct pt_clock fake_clock = {fake_now, fake_now, NULL};

static char *told_slot(struct fixture *fixture, const char *key)
{
    for (size_t i = 0; i < fixture->key_count; i++) {
        if (strcmp(fixture->keys[i], key) == 0)
            return fixture->told[i];
    }
    assert_in_range(fixture->key_count, 0, COUNT_OF(fixture->keys) - 1);
    snprintf(fixture->keys[fixture->key_count], sizeof(fixture->keys[0]), "%s", key);
    return fixture->told[fixture->key_count++];
}

// `image! <- ns/pod/container, … error (class) attempts next queued`
static void describe(char *text, const char *phase, const struct pt_join *join)
{
    int at = sprintf(text, "%s%s%s", phase, join->image_ref ? join->image_ref : "-",
                     join->image_ref_exact ? "!" : "");
    for (size_t i = 0; i < join->waiting_count && at < 250; i++)
        at += snprintf(text + at, (size_t)(400 - at), " %s/%s/%s", join->waiting[i].namespace,
                       join->waiting[i].pod, join->waiting[i].container);
    if (join->error)
        at += sprintf(text + at, " error=%s(%s)", join->error, join->error_class);
    if (join->attempts)
        at += sprintf(text + at, " attempts=%lld", (long long)join->attempts);
    if (join->next_attempt_at)
        at += sprintf(text + at, " next=%lld", (long long)(join->next_attempt_at / PT_NS_PER_S));
    if (join->queued_seconds >= 0)
        sprintf(text + at, " queued=%g", join->queued_seconds);
}

static void on_join(void *context, const char *node_name, const char *key,
                    const struct pt_join *join)
{
    struct fixture *fixture = context;
    assert_string_equal(node_name, NODE);
    fixture->calls++;
    describe(told_slot(fixture, key), "", join);
}

static void on_row(void *context, const struct pt_image_row *row)
{
    struct fixture *fixture = context;
    char phase[32];
    fixture->calls++;
    fixture->failures += row->new_failures;
    snprintf(phase, sizeof(phase), "%s ", pt_pull_phase_name(row->phase));
    describe(told_slot(fixture, row->key), phase, &row->join);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct pt_correlate_output output = {.on_join = on_join, .on_row = on_row, .context = fixture};
    fixture->seconds = 1000;
    fake_clock.context = fixture;
    assert_int_equal(pt_correlate_create(&fake_clock, &output, &fixture->correlate), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pt_correlate_destroy(fixture->correlate);
    free(fixture);
    return 0;
}

static void settle(struct fixture *fixture)
{
    pt_correlate_tick(fixture->correlate);
    while (pt_correlate_flush(fixture->correlate, 1))
        continue;
}

static void pass(struct fixture *fixture, int seconds)
{
    for (; seconds > 0; seconds--) {
        fixture->seconds++;
        settle(fixture);
    }
}

static void expect(struct fixture *fixture, const char *key, const char *wanted)
{
    settle(fixture);
    check_text(key, told_slot(fixture, key), wanted);
}

static void pod_says(struct fixture *fixture, const char *name, const char *image,
                     enum pt_kubelet_word word, const char *error)
{
    static struct pt_kube_pod pod;
    pod = (struct pt_kube_pod){.uid = name,
                               .name_space = "ns",
                               .name = name,
                               .node = NODE,
                               .waiting_since = fixture->seconds * PT_NS_PER_S,
                               .waiting_count = 1};
    pod.waiting[0] = (struct pt_kube_container){
        .name = "c", .image = image, .word = word, .error = error, .is_on_turn = true};
    pt_correlate_pod(fixture->correlate, &pod);
}

static void pod_waits(struct fixture *fixture, const char *name, const char *image)
{
    pod_says(fixture, name, image, PT_KUBELET_WAITING, NULL);
}

static void pod_ends(struct fixture *fixture, const char *name, enum pt_pod_end end)
{
    pt_correlate_pod_end(fixture->correlate, name, end);
}

static void event_at(struct fixture *fixture, const char *pod, const char *reason,
                     const char *message, const char *uid, int count, int64_t seconds)
{
    struct pt_kube_event event = {.uid = uid,
                                  .name_space = "ns",
                                  .pod = pod,
                                  .pod_uid = pod,
                                  .node = NODE,
                                  .container = "c",
                                  .first_at = seconds * PT_NS_PER_S,
                                  .last_at = seconds * PT_NS_PER_S,
                                  .count = count};
    pt_kubelet_message_parse(reason, message, &event.message);
    assert_int_not_equal(event.message.word, PT_KUBELET_OTHER);
    pt_correlate_event(fixture->correlate, &event);
}

static void pulling(struct fixture *fixture, const char *pod, const char *image, int64_t seconds)
{
    char message[300];
    snprintf(message, sizeof(message), "Pulling image \"%s\"", image);
    event_at(fixture, pod, "Pulling", message, "pulling", 1, seconds);
}

static void failed(struct fixture *fixture, const char *pod, const char *image, const char *error,
                   int count)
{
    char message[300];
    snprintf(message, sizeof(message), "Failed to pull image \"%s\": %s", image, error);
    event_at(fixture, pod, "Failed", message, "failed", count, fixture->seconds);
}

static void pulled(struct fixture *fixture, const char *pod, const char *image)
{
    char message[300];
    snprintf(message, sizeof(message), "Successfully pulled image \"%s\" in 1s", image);
    event_at(fixture, pod, "Pulled", message, "pulled", 1, fixture->seconds);
}

static struct pt_pull make_pull(int64_t started, const char *repository, const char *digest)
{
    return (struct pt_pull){.id = "p",
                            .image_ref = repository,
                            .repository = repository,
                            .root_digest = digest,
                            .started_at = started * PT_NS_PER_S,
                            .phase = PT_PULL_DOWNLOADING};
}

static void pull_runs(struct fixture *fixture, const char *key, int64_t started,
                      const char *repository, const char *digest)
{
    struct pt_pull pull = make_pull(started, repository, digest);
    pt_correlate_pull(fixture->correlate, NODE, key, &pull);
}

static void pull_ends(struct fixture *fixture, const char *key, int64_t started,
                      const char *repository, const char *exact, enum pt_pull_phase phase)
{
    struct pt_pull pull = make_pull(started, repository, NULL);
    pull.phase = phase;
    pull.completed_at = fixture->seconds * PT_NS_PER_S;
    if (exact) {
        pull.image_ref = exact;
        pull.image_ref_exact = true;
    }
    pt_correlate_pull(fixture->correlate, NODE, key, &pull);
}

// --- joining ---

static void names_a_pull_by_its_only_tag(void **state)
{
    struct fixture *fixture = *state;
    pull_runs(fixture, "i1", 1000, "docker.io/library/nginx", NULL);
    expect(fixture, "i1", "-");
    pod_waits(fixture, "web", "nginx:1.29");
    pod_waits(fixture, "other", "redis");
    expect(fixture, "i1", "docker.io/library/nginx:1.29! ns/web/c");
}

static void joins_by_host_without_port_and_by_repository(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *image, *repository, *wanted;
    } cases[] = {
        {"localhost:5000/app:v1", "localhost/app", "localhost:5000/app:v1! ns/w/c"},
        {"[::1]:5000/app", "::1/app", "[::1]:5000/app:latest! ns/w/c"},
        {"nginx", "docker.io/library/nginx", "docker.io/library/nginx:latest! ns/w/c"},
        {"a.io/b@sha256:" HEX, "a.io/b", "a.io/b@sha256:" HEX "! ns/w/c"},
        {"a.io/b:1@sha256:" HEX, "a.io/b", "a.io/b:1@sha256:" HEX "! ns/w/c"},
        {"a.io/b:1", "b.io/b", "-"},
        {"a.io/b:1", "a.io/c", "-"},
        {"NOT A REFERENCE", "docker.io/library/nginx", "-"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pull_runs(fixture, "i1", 1000, cases[i].repository, NULL);
        pod_waits(fixture, "w", cases[i].image);
        settle(fixture);
        check_text(cases[i].image, told_slot(fixture, "i1"), cases[i].wanted);
        tear_down(state);
        set_up(state);
        fixture = *state;
    }
}

static void a_digest_decides(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "by-tag", "a.io/b:1");
    pod_waits(fixture, "by-digest", "a.io/b@sha256:" HEX);
    pod_waits(fixture, "by-other", "a.io/b@sha256:" OTHER_HEX);
    pull_runs(fixture, "i1", 1000, "a.io/b", "sha256:" HEX);
    expect(fixture, "i1", "a.io/b@sha256:" HEX "! ns/by-digest/c");
}

static void several_tags_go_by_the_nearest_pulling_event(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pod_waits(fixture, "three", "a.io/b:3");
    pulling(fixture, "one", "a.io/b:1", 970);
    pulling(fixture, "two", "a.io/b:2", 999);
    pulling(fixture, "three", "a.io/b:3", 1005);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:2 ns/two/c queued=1");
}

static void two_pulls_of_a_repository_are_two_tags(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "one", "a.io/b:1", 999);
    pulling(fixture, "two", "a.io/b:2", 1000);
    pull_runs(fixture, "i1", 999, "a.io/b", NULL);
    pull_runs(fixture, "i2", 1001, "a.io/b", NULL);
    settle(fixture);
    expect(fixture, "i1", "a.io/b:1 ns/one/c queued=0");
    expect(fixture, "i2", "a.io/b:2 ns/two/c queued=1");
}

static void behind_the_kubelets_queue_the_oldest_is_first(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "one", "a.io/b:1", 960);
    pulling(fixture, "two", "a.io/b:2", 970);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1 ns/one/c queued=40");
}

static void the_image_record_corrects_a_guess(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "two", "a.io/b:2", 999);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:2 ns/two/c queued=1");
    fixture->seconds += 10;
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    settle(fixture);
    assert_non_null(strstr(told_slot(fixture, "i1"), "ns/one/c"));
    assert_int_equal(strncmp(told_slot(fixture, "i1"), "-!", 2), 0);
}

static void fifty_pods_wait_for_one_pull(void **state)
{
    struct fixture *fixture = *state;
    char name[20];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        pod_waits(fixture, name, "a.io/b:1");
    }
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pull_runs(fixture, "i2", 1000, "a.io/b", NULL); // a kubelet that pulls in parallel
    settle(fixture);
    assert_non_null(strstr(told_slot(fixture, "i1"), "ns/p0/c ns/p1/c"));
    assert_string_equal(told_slot(fixture, "i1"), told_slot(fixture, "i2"));
    assert_int_equal(pt_correlate_figures(fixture->correlate).waiting_containers, 50);
}

static void a_later_tag_does_not_take_a_running_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "one", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pass(fixture, 6);
    pod_waits(fixture, "two", "a.io/b:2");
    pulling(fixture, "two", "a.io/b:2", 1000);
    expect(fixture, "i1", "a.io/b:1! ns/one/c");
}

static void a_deleted_pod_leaves_its_pull(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "gone", "a.io/b:1");
    pod_waits(fixture, "stays", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1! ns/gone/c ns/stays/c");
    pod_ends(fixture, "gone", PT_POD_DELETED);
    expect(fixture, "i1", "a.io/b:1! ns/stays/c");
}

static void a_finished_pull_keeps_the_pods_that_it_served(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pass(fixture, 3);
    pod_ends(fixture, "web", PT_POD_STARTED); // quicker than the agent's report
    expect(fixture, "i1", "a.io/b:1! ns/web/c");
    pass(fixture, 1);
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(fixture, 30);
    expect(fixture, "i1", "-! ns/web/c");
}

static void a_pull_may_be_over_before_its_pod_is_known(void **state)
{
    struct fixture *fixture = *state;
    pull_ends(fixture, "i1", 999, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pod_waits(fixture, "web", "a.io/b:1");
    expect(fixture, "i1", "-! ns/web/c");
    pass(fixture, 5);
    pod_waits(fixture, "later", "a.io/b:1"); // finds the image there
    expect(fixture, "i1", "-! ns/web/c");
}

static void an_event_names_a_container_of_a_running_pod(void **state)
{
    struct fixture *fixture = *state;
    pulling(fixture, "runs", "a.io/b:1", 999);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    expect(fixture, "i1", "a.io/b:1! ns/runs/c queued=1");
}

static void merged_content_gets_the_only_name_there_is(void **state)
{
    struct fixture *fixture = *state;
    struct pt_pull pull = {.image_ref = PT_MERGED_IMAGE_REF,
                           .started_at = 1000 * PT_NS_PER_S,
                           .phase = PT_PULL_DOWNLOADING};
    pod_waits(fixture, "web", "a.io/b:1");
    pt_correlate_pull(fixture->correlate, NODE, "m", &pull);
    expect(fixture, "m", "a.io/b:1 ns/web/c");
}

static void forgets_finished_pulls_where_nothing_waits(void **state)
{
    struct fixture *fixture = *state;
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pull_ends(fixture, "i1", 1000, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pass(fixture, 9);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 1);
    pass(fixture, 2);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

static void tells_nothing_twice(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    int calls = fixture->calls;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pass(fixture, 20);
    assert_int_equal(fixture->calls, calls);
}

// --- queued ---

static void shows_what_the_kubelet_has_queued(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    expect(fixture, "ka.io/b:1", "");
    pulling(fixture, "web", "a.io/b:1", 1000);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    struct pt_pull pull = make_pull(1030, "a.io/b", NULL);
    fixture->seconds = 1030;
    check_text("row", pt_correlate_continued_row(fixture->correlate, NODE, &pull), "ka.io/b:1");
    pt_correlate_pull(fixture->correlate, NODE, "i1", &pull);
    expect(fixture, "i1", "a.io/b:1! ns/web/c queued=30");
    expect(fixture, "ka.io/b:1",
           "queued a.io/b:1! ns/web/c queued=0"); // nothing more was told of it
}

static void shows_as_queued_what_waits_without_an_event(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pass(fixture, 1);
    expect(fixture, "ka.io/b:1", "");
    pass(fixture, 1);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pod_ends(fixture, "web", PT_POD_DELETED);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1!");
}

static void does_not_queue_an_image_that_is_there(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    event_at(fixture, "web", "Pulled", "Container image \"a.io/b:1\" already present on machine",
             "e", 1, 1000);
    pass(fixture, 10);
    expect(fixture, "ka.io/b:1", "");
}

static void a_pull_that_no_agent_saw_completes(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pulling(fixture, "web", "a.io/b:1", 1000);
    settle(fixture);
    pass(fixture, 2);
    pulled(fixture, "web", "a.io/b:1");
    pod_ends(fixture, "web", PT_POD_STARTED);
    pass(fixture, 4);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/web/c queued=0");
    pass(fixture, 3);
    expect(fixture, "ka.io/b:1", "completed a.io/b:1!");
}

static void a_queued_pull_that_got_a_row_too_early_is_cancelled(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pulling(fixture, "web", "a.io/b:1", 1000);
    settle(fixture);
    pull_runs(fixture, "i1", 1001, "a.io/b", NULL); // its repository was not known at first
    settle(fixture);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1! ns/web/c");
}

static void forgets_an_event_without_end(void **state)
{
    struct fixture *fixture = *state;
    pulling(fixture, "runs", "a.io/b:1", 1000);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=0");
    pass(fixture, 599);
    expect(fixture, "ka.io/b:1", "queued a.io/b:1! ns/runs/c queued=590");
    pass(fixture, 2);
    expect(fixture, "ka.io/b:1", "cancelled a.io/b:1!");
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

static void takes_events_in_any_order(void **state)
{
    struct fixture *fixture = *state;
    pulled(fixture, "runs", "a.io/b:1");
    pulling(fixture, "runs", "a.io/b:1", 995);
    pass(fixture, 5);
    expect(fixture, "ka.io/b:1", "");
    event_at(fixture, "old", "Pulling", "Pulling image \"a.io/c:1\"", "e", 1, 100);
    expect(fixture, "ka.io/c:1", "");
}

// --- failures ---

static void a_pull_that_never_began_is_a_failed_row(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:nope");
    pulling(fixture, "web", "a.io/b:nope", 1000);
    settle(fixture);
    failed(fixture, "web", "a.io/b:nope", "a.io/b:nope: not found", 1);
    expect(fixture, "ka.io/b:nope",
           "failed a.io/b:nope! ns/web/c error=a.io/b:nope: not found(not_found) attempts=1 "
           "next=1010");
    // The status tells the same attempt, and so does the event when it comes again.
    pod_says(fixture, "web", "a.io/b:nope", PT_KUBELET_PULL_FAILED, "a.io/b:nope: not found");
    pod_says(fixture, "web", "a.io/b:nope", PT_KUBELET_BACK_OFF, "a.io/b:nope: not found");
    failed(fixture, "web", "a.io/b:nope", "a.io/b:nope: not found", 1);
    settle(fixture);
    assert_int_equal(fixture->failures, 1);
    pass(fixture, 12);
    pulling(fixture, "web", "a.io/b:nope", 1012);
    failed(fixture, "web", "a.io/b:nope", "a.io/b:nope: not found", 2);
    expect(fixture, "ka.io/b:nope",
           "failed a.io/b:nope! ns/web/c error=a.io/b:nope: not found(not_found) attempts=2 "
           "next=1032");
    assert_int_equal(fixture->failures, 2);
}

static void a_failure_is_known_without_events(void **state)
{
    struct fixture *fixture = *state;
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "401 Unauthorized");
    expect(fixture, "ka.io/b:1",
           "failed a.io/b:1! ns/web/c error=401 Unauthorized(unauthorized) attempts=1 next=1010");
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_BACK_OFF, "401 Unauthorized");
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "401 Unauthorized");
    settle(fixture);
    assert_int_equal(fixture->failures, 2);
}

static void what_is_never_pulled_has_no_next_attempt(void **state)
{
    struct fixture *fixture = *state;
    pod_says(fixture, "a", "A:B:C", PT_KUBELET_INVALID_NAME, "invalid reference format");
    pod_says(fixture, "b", "x:1", PT_KUBELET_NEVER_PULL, "pull policy of Never");
    expect(fixture, "kA:B:C",
           "failed A:B:C! ns/a/c error=invalid reference format(invalid_reference) attempts=1");
    expect(fixture, "kdocker.io/library/x:1",
           "failed docker.io/library/x:1! ns/b/c error=pull policy of Never(policy) attempts=1");
}

static void a_failed_pull_gets_the_kubelets_words(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pulling(fixture, "web", "a.io/b:1", 1000);
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    pass(fixture, 5);
    failed(fixture, "web", "a.io/b:1", "unexpected EOF", 1);
    pull_ends(fixture, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    expect(fixture, "i1",
           "a.io/b:1! ns/web/c error=unexpected EOF(network) attempts=1 next=1015 queued=0");
    expect(fixture, "ka.io/b:1", "");
    assert_int_equal(fixture->failures, 0); // the agent's row tells it
}

static void the_next_attempt_goes_on_in_the_failed_row(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pull_ends(fixture, "i1", 1000, "a.io/b", NULL, PT_PULL_FAILED);
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "unexpected EOF");
    pass(fixture, 20);
    struct pt_pull pull = make_pull(1020, "a.io/b", NULL);
    check_text("row", pt_correlate_continued_row(fixture->correlate, NODE, &pull), "i1");
    pt_correlate_pull(fixture->correlate, NODE, "i2", &pull);
    expect(fixture, "i2", "a.io/b:1! ns/web/c attempts=1");
    pass(fixture, 5);
    pull_ends(fixture, "i2", 1020, "a.io/b", "a.io/b:1", PT_PULL_COMPLETED);
    pod_ends(fixture, "web", PT_POD_STARTED);
    pass(fixture, 10);
    expect(fixture, "i2", "-! ns/web/c attempts=1");
    expect(fixture, "ka.io/b:1", "");
}

static void a_success_after_failures_closes_the_row(void **state)
{
    struct fixture *fixture = *state;
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(fixture);
    pass(fixture, 15);
    pulled(fixture, "web", "a.io/b:1");
    pod_ends(fixture, "web", PT_POD_STARTED);
    expect(fixture, "ka.io/b:1", "completed a.io/b:1! ns/web/c attempts=1");
}

static void a_failed_row_stays_failed_when_its_pod_is_deleted(void **state)
{
    struct fixture *fixture = *state;
    pod_says(fixture, "web", "a.io/b:1", PT_KUBELET_PULL_FAILED, "no such host");
    settle(fixture);
    pod_ends(fixture, "web", PT_POD_DELETED);
    expect(fixture, "ka.io/b:1", "failed a.io/b:1! error=no such host(network) attempts=1");
    pass(fixture, 20);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
    assert_int_equal(fixture->failures, 1);
}

static void an_event_without_a_pod_tells_a_failure(void **state)
{
    struct fixture *fixture = *state;
    failed(fixture, "unknown", "a.io/b:1", "no space left on device", 1);
    expect(fixture, "ka.io/b:1",
           "failed a.io/b:1! ns/unknown/c error=no space left on device(disk_full) attempts=1 "
           "next=1010");
}

static void old_failures_are_no_news(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    failed(fixture, "web", "a.io/b:1", "no such host", 57);
    settle(fixture);
    assert_non_null(strstr(told_slot(fixture, "ka.io/b:1"), "attempts=57"));
    assert_int_equal(fixture->failures, 1);
}

static void a_rescheduled_pod_is_another_one(void **state)
{
    struct fixture *fixture = *state;
    pod_waits(fixture, "web", "a.io/b:1");
    pull_runs(fixture, "i1", 1000, "a.io/b", NULL);
    settle(fixture);
    pod_ends(fixture, "web", PT_POD_LOST); // missing in a new list
    expect(fixture, "i1", "a.io/b:1! ns/web/c");
    pass(fixture, 6);
    expect(fixture, "i1", "a.io/b:1!");
    pt_correlate_pull_gone(fixture->correlate, NODE, "i1");
    settle(fixture);
    assert_int_equal(pt_correlate_figures(fixture->correlate).nodes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_a_pull_by_its_only_tag),
        TEST(joins_by_host_without_port_and_by_repository),
        TEST(a_digest_decides),
        TEST(several_tags_go_by_the_nearest_pulling_event),
        TEST(two_pulls_of_a_repository_are_two_tags),
        TEST(behind_the_kubelets_queue_the_oldest_is_first),
        TEST(the_image_record_corrects_a_guess),
        TEST(fifty_pods_wait_for_one_pull),
        TEST(a_later_tag_does_not_take_a_running_pull),
        TEST(a_deleted_pod_leaves_its_pull),
        TEST(a_finished_pull_keeps_the_pods_that_it_served),
        TEST(a_pull_may_be_over_before_its_pod_is_known),
        TEST(an_event_names_a_container_of_a_running_pod),
        TEST(merged_content_gets_the_only_name_there_is),
        TEST(forgets_finished_pulls_where_nothing_waits),
        TEST(tells_nothing_twice),
        TEST(shows_what_the_kubelet_has_queued),
        TEST(shows_as_queued_what_waits_without_an_event),
        TEST(does_not_queue_an_image_that_is_there),
        TEST(a_pull_that_no_agent_saw_completes),
        TEST(a_queued_pull_that_got_a_row_too_early_is_cancelled),
        TEST(forgets_an_event_without_end),
        TEST(takes_events_in_any_order),
        TEST(a_pull_that_never_began_is_a_failed_row),
        TEST(a_failure_is_known_without_events),
        TEST(what_is_never_pulled_has_no_next_attempt),
        TEST(a_failed_pull_gets_the_kubelets_words),
        TEST(the_next_attempt_goes_on_in_the_failed_row),
        TEST(a_success_after_failures_closes_the_row),
        TEST(a_failed_row_stays_failed_when_its_pod_is_deleted),
        TEST(an_event_without_a_pod_tells_a_failure),
        TEST(old_failures_are_no_news),
        TEST(a_rescheduled_pod_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
