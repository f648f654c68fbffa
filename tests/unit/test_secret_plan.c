// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"
#include "base/clock.h"
#include "server/secrets/authorities.h"
#include "server/secrets/secret_plan.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR (3600 * PT_NS_PER_S)
#define DAY (24 * HOUR)
#define START (INT64_C(1800000000) * PT_NS_PER_S)
#define SETTLE DAY

enum { CRT, KEY, TLS_CA }; // places of the values

static const struct pt_secret_wishes usual = {
    .certificate = true,
    .token = true,
    .names = "pulltrace.monitoring.svc,10.0.0.7",
    .authority_life_ns = 90 * DAY,
    .certificate_life_ns = 30 * DAY,
    .token_life_ns = 30 * DAY,
    .settle_ns = SETTLE,
};

// The Secrets of a cluster, and a clock.
struct cluster {
    struct pt_secret_wishes wishes;
    struct pt_secret_content contents[PT_MADE_SECRET_COUNT];
    int64_t now;
};

static int set_up(void **state)
{
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    cluster->wishes = usual;
    cluster->now = START;
    *state = cluster;
    return 0;
}

static int tear_down(void **state)
{
    struct cluster *cluster = *state;
    for (size_t i = 0; i < PT_MADE_SECRET_COUNT; i++)
        pt_secret_content_finish(&cluster->contents[i]);
    free(cluster);
    return 0;
}

// One run of the program: writes until nothing is left to do. What it wrote, a letter each.
static const char *run(struct cluster *cluster)
{
    static const char letters[] = {'A', 'B', 'C', 'T'};
    static char written[32];
    size_t count = 0;
    struct pt_secret_change change;
    struct pt_error err;
    int r;
    while ((r = pt_secret_plan(&cluster->wishes, cluster->contents, cluster->now, &change, &err)) ==
           1) {
        assert_true(count < sizeof(written) - 1);
        written[count++] = letters[change.secret];
        assert_non_null(change.why);
        pt_secret_content_finish(&cluster->contents[change.secret]);
        cluster->contents[change.secret] = change.content;
    }
    if (r < 0)
        fail_msg("%s", err.message);
    written[count] = '\0';
    return written;
}

static const char *run_after(struct cluster *cluster, int64_t passed_ns)
{
    cluster->now += passed_ns;
    return run(cluster);
}

static void set(struct cluster *cluster, enum pt_made_secret secret, size_t key, const char *text)
{
    char **value = &cluster->contents[secret].values[key];
    free(*value);
    *value = text ? strdup(text) : NULL;
}

static const char *value(const struct cluster *cluster, enum pt_made_secret secret, size_t key)
{
    return cluster->contents[secret].values[key];
}

static size_t authority_count(const struct cluster *cluster)
{
    struct pt_authorities authorities;
    pt_authorities_read(&authorities, value(cluster, PT_MADE_AUTHORITIES, CRT),
                        value(cluster, PT_MADE_AUTHORITIES, KEY));
    size_t count = authorities.count;
    pt_authorities_finish(&authorities);
    return count;
}

// --- the first run, and those with nothing to do ---

static void everything_is_made_and_then_left_alone(void **state)
{
    struct cluster *cluster = *state;
    check_text("the first run", run(cluster), "ABCT");
    check_text("at once again", run(cluster), "");
    check_text("days later", run_after(cluster, 9 * DAY), "");
    check_text("bundle", value(cluster, PT_MADE_BUNDLE, CRT),
               value(cluster, PT_MADE_AUTHORITIES, CRT));
    check_text("CA beside the certificate", value(cluster, PT_MADE_CERTIFICATE, TLS_CA),
               value(cluster, PT_MADE_BUNDLE, CRT));
    assert_null(strstr(value(cluster, PT_MADE_BUNDLE, CRT), "PRIVATE"));
    check_int("token", (int64_t)strlen(value(cluster, PT_MADE_TOKEN, CRT)), 65);
}

static void what_is_not_wished_is_not_made(void **state)
{
    struct cluster *cluster = *state;
    cluster->wishes.certificate = false;
    check_text("the token alone", run(cluster), "T");
    cluster->wishes.certificate = true;
    cluster->wishes.token = false;
    pt_secret_content_finish(&cluster->contents[PT_MADE_TOKEN]);
    check_text("the certificate alone", run(cluster), "ABC");
}

// --- what is broken or does not belong together ---

static void what_is_not_good_is_made_anew(void **state)
{
    struct cluster *cluster = *state;
    static const struct {
        const char *name;
        enum pt_made_secret secret;
        size_t key;
        const char *text;
        const char *written;
    } rows[] = {
        {"no key of the CA", PT_MADE_AUTHORITIES, KEY, NULL, "ABC"},
        {"a broken CA", PT_MADE_AUTHORITIES, CRT, "what", "ABC"},
        {"a CA and more", PT_MADE_AUTHORITIES, KEY, "", "ABC"},
        {"no bundle", PT_MADE_BUNDLE, CRT, NULL, "B"},
        {"another bundle", PT_MADE_BUNDLE, CRT, "what", "B"},
        {"no certificate", PT_MADE_CERTIFICATE, CRT, NULL, "C"},
        {"a broken certificate", PT_MADE_CERTIFICATE, CRT, "what", "C"},
        {"an empty key", PT_MADE_CERTIFICATE, KEY, "", "C"},
        {"another CA beside it", PT_MADE_CERTIFICATE, TLS_CA, "what", "C"},
        {"no token", PT_MADE_TOKEN, CRT, NULL, "T"},
        {"empty lines", PT_MADE_TOKEN, CRT, "\n\r\n", "T"},
    };
    run(cluster);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set(cluster, rows[i].secret, rows[i].key, rows[i].text);
        check_text(rows[i].name, run(cluster), rows[i].written);
        check_text(rows[i].name, run(cluster), "");
    }
}

static void a_certificate_of_another_key_or_ca_is_renewed(void **state)
{
    struct cluster *cluster = *state;
    run(cluster);
    char *key = strdup(value(cluster, PT_MADE_CERTIFICATE, KEY));
    set(cluster, PT_MADE_CERTIFICATE, CRT, NULL);
    run(cluster);
    set(cluster, PT_MADE_CERTIFICATE, KEY, key);
    check_text("another key", run(cluster), "C");
    free(key);
    char *certificate = strdup(value(cluster, PT_MADE_AUTHORITIES, CRT));
    char *authority_key = strdup(value(cluster, PT_MADE_AUTHORITIES, KEY));
    set(cluster, PT_MADE_AUTHORITIES, CRT, NULL);
    run(cluster);
    set(cluster, PT_MADE_AUTHORITIES, CRT, certificate);
    set(cluster, PT_MADE_AUTHORITIES, KEY, authority_key);
    check_text("another CA", run(cluster), "BC");
    free(certificate);
    free(authority_key);
}

static void other_names_need_another_certificate(void **state)
{
    struct cluster *cluster = *state;
    static const struct {
        const char *names, *written;
    } rows[] = {
        {"pulltrace.monitoring.svc, 10.0.0.7", ""},
        {"10.0.0.7,pulltrace.monitoring.svc", "C"},
        {"pulltrace.monitoring.svc", "C"},
        {"pulltrace.monitoring.svc,fd00::7", "C"},
        {"*.monitoring.svc", "C"},
    };
    run(cluster);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        cluster->wishes.names = rows[i].names;
        check_text(rows[i].names, run(cluster), rows[i].written);
        check_text(rows[i].names, run(cluster), "");
    }
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ",", "a,,b", "a b", "a_b", "a..b", "a/b", "DNS:a", "é"};
    char many[256] = "a";
    struct pt_error err;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_int(bad[i], pt_certificate_check_names(bad[i], &err), -EINVAL);
    for (int i = 0; i < PT_LIMIT_CERTIFICATE_NAMES; i++)
        strcat(many, ",a");
    check_int("too many", pt_certificate_check_names(many, &err), -EINVAL);
    many[strlen(many) - 2] = '\0';
    check_int("as many as there may be", pt_certificate_check_names(many, &err), 0);
}

// --- a third of a life ---

static void a_certificate_is_renewed_after_a_third(void **state)
{
    struct cluster *cluster = *state;
    cluster->wishes.token = false;
    run(cluster);
    check_text("a second before", run_after(cluster, 10 * DAY - PT_NS_PER_S), "");
    check_text("a third", run_after(cluster, PT_NS_PER_S), "C");
    check_text("and not at once again", run(cluster), "");
    cluster->wishes.certificate_life_ns = 3 * DAY;
    check_text("a setting that is shorter now", run_after(cluster, DAY), "C");
}

static void a_ca_signs_a_day_after_it_was_made(void **state)
{
    struct cluster *cluster = *state;
    cluster->wishes.token = false;
    run(cluster);
    run_after(cluster, 25 * DAY);
    check_int("one CA", (int64_t)authority_count(cluster), 1);
    check_text("the next CA", run_after(cluster, 5 * DAY), "ABC");
    check_int("both are known", (int64_t)authority_count(cluster), 2);
    struct pt_authorities both;
    assert_true(pt_authorities_read(&both, value(cluster, PT_MADE_AUTHORITIES, CRT),
                                    value(cluster, PT_MADE_AUTHORITIES, KEY)));
    struct pt_authorities first = {.list = {both.list[0]}, .count = 1};
    struct pt_authorities second = {.list = {both.list[1]}, .count = 1};
    int64_t made_at, ends_at;
    for (int later = 0; later < 2; later++) {
        const struct pt_authorities *signer = later ? &second : &first;
        set(cluster, PT_MADE_CERTIFICATE, CRT, NULL);
        check_text("a new certificate", run_after(cluster, later ? SETTLE : SETTLE - 1), "C");
        check_text("signed by",
                   pt_certificate_fault(signer, value(cluster, PT_MADE_CERTIFICATE, CRT),
                                        value(cluster, PT_MADE_CERTIFICATE, KEY), usual.names,
                                        &made_at, &ends_at),
                   NULL);
    }
    pt_authorities_finish(&both);
}

static void a_token_is_known_before_it_is_sent_and_after(void **state)
{
    struct cluster *cluster = *state;
    cluster->wishes.certificate = false;
    char first[80], next[80], wanted[200];
    run(cluster);
    snprintf(first, sizeof(first), "%s", value(cluster, PT_MADE_TOKEN, CRT));
    check_text("a moment before a third", run_after(cluster, 10 * DAY - 1), "");
    check_text("a third", run_after(cluster, 1), "T");
    snprintf(next, sizeof(next), "%s", value(cluster, PT_MADE_TOKEN, CRT) + strlen(first));
    check_int("two lines", strncmp(value(cluster, PT_MADE_TOKEN, CRT), first, strlen(first)), 0);
    check_int("the second is another", strcmp(first, next) != 0 && strlen(next) == 65, 1);
    check_text("not yet", run_after(cluster, SETTLE - 1), "");
    check_text("agents send it", run_after(cluster, 1), "T");
    snprintf(wanted, sizeof(wanted), "%s%s", next, first);
    check_text("the next one first", value(cluster, PT_MADE_TOKEN, CRT), wanted);
    check_text("some may send the old one", run_after(cluster, SETTLE - 1), "");
    check_text("nobody does", run_after(cluster, 1), "T");
    check_text("it alone", value(cluster, PT_MADE_TOKEN, CRT), next);
    check_text("for a third", run_after(cluster, 10 * DAY - 1), "");
}

static void a_token_of_somebody_else_is_taken_over(void **state)
{
    struct cluster *cluster = *state;
    cluster->wishes.certificate = false;
    set(cluster, PT_MADE_TOKEN, CRT, "mine\r\nolder\n");
    check_text("its age counts from now", run(cluster), "T");
    check_text("both stay", value(cluster, PT_MADE_TOKEN, CRT), "mine\nolder\n");
    check_text("the second for a while", run_after(cluster, SETTLE), "T");
    check_text("the first for long", value(cluster, PT_MADE_TOKEN, CRT), "mine\n");
    cluster->contents[PT_MADE_TOKEN].changed_at = cluster->now + 2 * HOUR;
    check_text("changed in the future", run(cluster), "T");
    check_int("is now", cluster->contents[PT_MADE_TOKEN].changed_at, cluster->now);
}

// --- a long time, with kubelets that are slow ---

#define STEP_NS (8 * HOUR)
#define STEPS 100 // five CAs
#define LATE 3    // steps: what was written a day ago is still in some pods

// What is mounted in a pod.
struct mounted {
    char *bundle, *certificate, *key, *token;
};

static struct mounted mount(const struct cluster *cluster)
{
    return (struct mounted){.bundle = strdup(value(cluster, PT_MADE_BUNDLE, CRT)),
                            .certificate = strdup(value(cluster, PT_MADE_CERTIFICATE, CRT)),
                            .key = strdup(value(cluster, PT_MADE_CERTIFICATE, KEY)),
                            .token = strdup(value(cluster, PT_MADE_TOKEN, CRT))};
}

static void unmount(struct mounted *mounted)
{
    free(mounted->bundle);
    free(mounted->certificate);
    free(mounted->key);
    free(mounted->token);
}

// The CAs of a bundle: those of the cluster whose certificate it holds, in the same order.
static bool trusts(const struct cluster *cluster, const struct mounted *agent,
                   const struct mounted *server)
{
    struct pt_authorities all;
    int64_t made_at, ends_at;
    bool is_trusted = false;
    assert_true(pt_authorities_read(&all, value(cluster, PT_MADE_AUTHORITIES, CRT),
                                    value(cluster, PT_MADE_AUTHORITIES, KEY)));
    for (size_t i = 0; i < all.count; i++) {
        struct pt_authorities one = {.list = {all.list[i]}, .count = 1};
        struct pt_buffer pem;
        pt_buffer_init(&pem, PT_LIMIT_SECRET_BYTES);
        assert_int_equal(pt_authorities_write(&one, &pem, NULL, NULL), 0);
        is_trusted |= strstr(agent->bundle, pem.data) &&
                      !pt_certificate_fault(&one, server->certificate, server->key, usual.names,
                                            &made_at, &ends_at) &&
                      ends_at > cluster->now;
        pt_buffer_finish(&pem);
    }
    pt_authorities_finish(&all);
    return is_trusted;
}

static bool admits(const struct mounted *agent, const struct mounted *server)
{
    char sent[128];
    snprintf(sent, sizeof(sent), "%.*s", (int)strcspn(agent->token, "\n") + 1, agent->token);
    return strstr(server->token, sent) != NULL;
}

static void no_agent_is_refused_however_late_the_files_come(void **state)
{
    struct cluster *cluster = *state;
    struct mounted past[LATE];
    size_t authorities = 0;
    cluster->wishes.authority_life_ns = 18 * DAY;
    cluster->wishes.certificate_life_ns = 6 * DAY;
    cluster->wishes.token_life_ns = 9 * DAY;
    run(cluster);
    char *first_token = strdup(value(cluster, PT_MADE_TOKEN, CRT));
    for (int i = 0; i < LATE; i++)
        past[i] = mount(cluster);
    for (int step = 0; step < STEPS; step++) {
        run_after(cluster, STEP_NS);
        struct mounted now = mount(cluster);
        check_int("a late agent trusts the server", trusts(cluster, &past[step % LATE], &now), 1);
        check_int("an agent trusts a late server", trusts(cluster, &now, &past[step % LATE]), 1);
        check_int("a late agent's token", admits(&past[step % LATE], &now), 1);
        check_int("the token at a late server", admits(&now, &past[step % LATE]), 1);
        unmount(&past[step % LATE]);
        past[step % LATE] = now;
        if (authority_count(cluster) > authorities)
            authorities = authority_count(cluster);
    }
    check_int("CAs at once", (int64_t)authorities, 3);
    check_int("the token has changed", strcmp(first_token, past[0].token) != 0, 1);
    free(first_token);
    for (int i = 0; i < LATE; i++)
        unmount(&past[i]);
}

#define IN_A_CLUSTER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_CLUSTER(everything_is_made_and_then_left_alone),
        IN_A_CLUSTER(what_is_not_wished_is_not_made),
        IN_A_CLUSTER(what_is_not_good_is_made_anew),
        IN_A_CLUSTER(a_certificate_of_another_key_or_ca_is_renewed),
        IN_A_CLUSTER(other_names_need_another_certificate),
        cmocka_unit_test(what_is_no_name_is_refused),
        IN_A_CLUSTER(a_certificate_is_renewed_after_a_third),
        IN_A_CLUSTER(a_ca_signs_a_day_after_it_was_made),
        IN_A_CLUSTER(a_token_is_known_before_it_is_sent_and_after),
        IN_A_CLUSTER(a_token_of_somebody_else_is_taken_over),
        IN_A_CLUSTER(no_agent_is_refused_however_late_the_files_come),
    };
    return cmocka_run_group_tests_name("secret_plan", tests, NULL, NULL);
}
