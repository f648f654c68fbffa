// SPDX-License-Identifier: Apache-2.0

// A token is asked about in one or two questions: a TokenReview, unless its signature is verified
// already, and then the pod, where the token names no node. A check waits in the queue of its
// address (token_queues.h) until its turn comes: so many questions are under way at once, and so
// many begin in a tenth of a second. An answer ends the check with a verdict. Where the API server
// gives none, all questions rest for a while (close_for_a_while) and the check waits again, three
// times at most; where it refuses to answer at all, nothing that waits is asked about any more.

#include "server/identity/token_checks.h"

#include "base/backoff.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/timer.h"
#include "kube/kube_client.h"
#include "pull/json_writer.h"
#include "server/identity/api_question.h"
#include "server/identity/jwt.h"
#include "server/identity/known_tokens.h"
#include "server/identity/review_answer.h"
#include "server/identity/token_policy.h"
#include "server/identity/token_queues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MOST_TRIES 3 // of a token about which the API server gives no answer
#define WINDOW_NS (PT_NS_PER_S / 10)
#define WINDOW_REQUESTS (PT_LIMIT_TOKEN_REQUESTS_PER_S / 10)

// What is needed of a token only while the API server is asked about it.
struct asked {
    struct pt_jwt jwt;
    struct pt_token_binding binding;
};

struct check {
    struct pt_token_checks *checks;
    char key[PT_TOKEN_KEY_SIZE];
    bool is_verified;
    uint64_t generation; // of the keys, when it was
    unsigned tries;
    struct asked *asked; // NULL: it waits
    struct pt_token_place place;
    struct pt_question *question;
    TAILQ_ENTRY(check) link;
    const char *peer; // behind the token
    char token[];
};

TAILQ_HEAD(check_list, check);

struct pt_token_checks {
    const struct pt_kube_client *client;
    const struct pt_token_policy *policy;
    struct pt_token_checks_handler handler;
    struct pt_timer *timer;
    struct pt_map by_key;
    struct pt_token_queues waiting;
    struct check_list asking;
    size_t asking_count;
    int64_t window_began; // monotonic_ns
    unsigned window_count;
    int64_t closed_until; // monotonic_ns; the API server does not answer
    struct pt_backoff backoff;
    uint64_t generation; // one more each time that what was verified is forgotten
    struct pt_token_check_figures figures;
    char logged[256];
};

static int64_t now_ns(const struct pt_token_checks *checks)
{
    return pt_clock_monotonic_ns(checks->client->clock);
}

static void end_asking(struct check *check)
{
    struct pt_token_checks *checks = check->checks;
    pt_jwt_finish(&check->asked->jwt);
    free(check->asked);
    check->asked = NULL;
    TAILQ_REMOVE(&checks->asking, check, link);
    checks->asking_count--;
    pt_question_cancel(check->question);
    check->question = NULL;
}

static void drop(struct check *check)
{
    struct pt_token_checks *checks = check->checks;
    pt_map_remove(&checks->by_key, check->key);
    if (check->asked)
        end_asking(check);
    else if (check->place.queue)
        pt_token_queues_leave(&checks->waiting, &check->place);
    explicit_bzero(check->token, strlen(check->token));
    free(check);
}

// --- how a check ends ---

static void conclude(struct check *check, const char *node_name, const char *words)
{
    struct pt_token_checks *checks = check->checks;
    bool is_void = check->is_verified && check->generation != checks->generation;
    const struct pt_token_verdict verdict = {
        .node_name = node_name, .words = words, .expires_at = check->asked->jwt.claims.expires_at};
    checks->figures.good += !is_void && node_name;
    checks->figures.refused += !is_void && !node_name;
    checks->logged[0] = '\0';
    pt_backoff_good(&checks->backoff, now_ns(checks));
    if (!is_void)
        checks->handler.on_verdict(checks->handler.context, check->key, &verdict);
    drop(check);
    pt_timer_start(checks->timer, 0);
}

// All that is asked meanwhile fails for the same reason.
static void close_for_a_while(struct pt_token_checks *checks, const char *words)
{
    if (pt_token_checks_are_closed(checks))
        return;
    int64_t delay_ns =
        pt_backoff_failed(&checks->backoff, now_ns(checks), checks->client->random());
    checks->closed_until = now_ns(checks) + delay_ns;
    pt_timer_start(checks->timer, delay_ns / PT_NS_PER_MS + 1);
    if (pt_text_remember(checks->logged, sizeof(checks->logged), words))
        pt_log_warn("identity.check_failed", pt_log_text("error", words),
                    pt_log_int("retryMs", delay_ns / PT_NS_PER_MS));
}

// It is asked again with those that wait.
static void wait_again(struct check *check)
{
    end_asking(check);
    if (pt_token_queues_enter(&check->checks->waiting, check->peer, &check->place) < 0)
        drop(check);
}

// Who may not ask has no use for what waits; an API server that is away comes back.
static void give_up(struct check *check, const struct pt_answer *answer)
{
    struct pt_token_checks *checks = check->checks;
    struct check *waiting;
    checks->figures.failed++;
    close_for_a_while(checks, answer->words);
    if (answer->sort != PT_ANSWER_REFUSED && check->asked && ++check->tries < MOST_TRIES) {
        wait_again(check);
        return;
    }
    drop(check);
    if (answer->sort != PT_ANSWER_REFUSED)
        return;
    while ((waiting = pt_token_queues_next(&checks->waiting))) {
        checks->figures.left_out++;
        drop(waiting);
    }
    checks->handler.on_refused(checks->handler.context);
}

static void give_up_unasked(struct check *check, const char *words)
{
    give_up(check, &(struct pt_answer){.sort = PT_ANSWER_TROUBLE, .words = words});
}

// --- the pod ---

static void on_pod(void *context, const struct pt_answer *answer)
{
    struct check *check = context;
    struct pt_error err;
    const char *node_name = NULL;
    check->question = NULL;
    if (answer->sort == PT_ANSWER_REFUSED && answer->status == 404)
        conclude(check, NULL, "the token's pod is not there any more");
    else if (answer->sort != PT_ANSWER_GOOD)
        give_up(check, answer);
    else if (pt_pod_answer_read(answer->object, &check->asked->binding, &node_name, &err) < 0)
        conclude(check, NULL, err.message);
    else
        conclude(check, node_name, NULL);
}

static void ask_for_pod(struct check *check)
{
    const struct pt_token_checks *checks = check->checks;
    struct pt_buffer path;
    struct pt_error err;
    pt_buffer_init(&path, PT_LIMIT_KUBE_URL_BYTES);
    (void)pt_buffer_append_text(&path, "/api/v1/namespaces/");
    (void)pt_kube_append_escaped(&path, check->asked->binding.namespace_name);
    (void)pt_buffer_append_text(&path, "/pods/");
    int r = pt_kube_append_escaped(&path, check->asked->binding.pod_name);
    if (r == 0)
        r = pt_question_start(checks->client, path.data, NULL, PT_LIMIT_TOKEN_ANSWER_BYTES, on_pod,
                              check, &check->question, &err);
    else
        pt_error_set(&err, -r, "the request is too long");
    pt_buffer_finish(&path);
    if (r < 0)
        give_up_unasked(check, err.message);
}

static void go_on_with_binding(struct check *check)
{
    if (*check->asked->binding.node_name)
        conclude(check, check->asked->binding.node_name, NULL);
    else
        ask_for_pod(check);
}

// --- the review ---

static void on_review(void *context, const struct pt_answer *answer)
{
    struct check *check = context;
    struct pt_error err;
    check->question = NULL;
    if (answer->sort != PT_ANSWER_GOOD)
        give_up(check, answer);
    else if (pt_review_answer_read(answer->object, check->checks->policy, &check->asked->jwt.claims,
                                   &check->asked->binding, &err) < 0)
        conclude(check, NULL, err.message);
    else
        go_on_with_binding(check);
}

static void ask_for_review(struct check *check)
{
    const struct pt_token_checks *checks = check->checks;
    struct pt_buffer body;
    struct pt_error err;
    pt_buffer_init(&body, 2 * PT_LIMIT_TOKEN_BYTES);
    pt_json_begin(&body);
    pt_json_text(&body, "apiVersion", "authentication.k8s.io/v1", 64);
    pt_json_text(&body, "kind", "TokenReview", 64);
    pt_json_open(&body, "spec", '{');
    pt_json_text(&body, "token", check->token, PT_LIMIT_TOKEN_BYTES);
    pt_json_open(&body, "audiences", '[');
    pt_json_text(&body, NULL, checks->policy->audience, PT_LIMIT_ISSUER_BYTES);
    pt_json_close(&body, ']');
    pt_json_close(&body, '}');
    pt_json_close(&body, '}');
    int r = body.failure < 0 ? pt_error_set(&err, -body.failure, "the token is too long")
                             : pt_question_start(checks->client, PT_TOKEN_REVIEWS_PATH, body.data,
                                                 PT_LIMIT_TOKEN_ANSWER_BYTES, on_review, check,
                                                 &check->question, &err);
    if (body.data)
        explicit_bzero(body.data, body.length);
    pt_buffer_finish(&body);
    if (r < 0)
        give_up_unasked(check, err.message);
}

// --- the queue ---

static void begin(struct check *check)
{
    struct pt_token_checks *checks = check->checks;
    struct pt_error err;
    struct asked *asked = calloc(1, sizeof(*asked));
    if (!asked || pt_jwt_read(check->token, &asked->jwt, &err) < 0) { // it was read before
        free(asked);
        pt_error_set(&err, ENOMEM, "out of memory");
        give_up_unasked(check, err.message);
        return;
    }
    pt_token_queues_leave(&checks->waiting, &check->place);
    check->asked = asked;
    TAILQ_INSERT_TAIL(&checks->asking, check, link);
    checks->asking_count++;
    checks->window_count++;
    if (!check->is_verified) {
        ask_for_review(check);
    } else if (pt_token_binding_read(&check->asked->jwt.claims, &check->asked->binding, &err) < 0) {
        conclude(check, NULL, err.message);
    } else {
        go_on_with_binding(check);
    }
}

static void on_timer(void *context)
{
    struct pt_token_checks *checks = context;
    struct check *check;
    int64_t now = now_ns(checks);
    if (now < checks->closed_until) {
        pt_timer_start(checks->timer, (checks->closed_until - now) / PT_NS_PER_MS + 1);
        return;
    }
    if (now - checks->window_began >= WINDOW_NS) {
        checks->window_began = now;
        checks->window_count = 0;
    }
    while (checks->asking_count < PT_LIMIT_TOKEN_REQUESTS && now >= checks->closed_until &&
           (check = pt_token_queues_next(&checks->waiting))) {
        if (checks->window_count >= WINDOW_REQUESTS) {
            pt_timer_start(checks->timer,
                           (checks->window_began + WINDOW_NS - now) / PT_NS_PER_MS + 1);
            return;
        }
        begin(check);
    }
}

// --- what the header promises ---

int pt_token_checks_create(const struct pt_kube_client *client,
                           const struct pt_token_policy *policy,
                           const struct pt_token_checks_handler *handler,
                           struct pt_token_checks **ret_checks, struct pt_error *err)
{
    struct pt_token_checks *checks = calloc(1, sizeof(*checks));
    if (!checks)
        return pt_error_set(err, ENOMEM, "out of memory");
    checks->client = client;
    checks->policy = policy;
    checks->handler = *handler;
    pt_map_init(&checks->by_key);
    pt_token_queues_init(&checks->waiting);
    TAILQ_INIT(&checks->asking);
    checks->timer = pt_timer_create(client->base, client->clock, on_timer, checks);
    if (!checks->timer) {
        free(checks);
        return pt_error_set(err, ENOMEM, "out of memory");
    }
    *ret_checks = checks;
    return 0;
}

void pt_token_checks_destroy(struct pt_token_checks *checks)
{
    struct check *check;
    if (!checks)
        return;
    while ((check = TAILQ_FIRST(&checks->asking))) {
        // The analyzer loses sight of the list's head. NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        drop(check);
    }
    while ((check = pt_token_queues_next(&checks->waiting)))
        drop(check);
    pt_timer_destroy(checks->timer);
    pt_map_finish(&checks->by_key);
    pt_token_queues_finish(&checks->waiting);
    free(checks);
}

void pt_token_checks_forget_verified(struct pt_token_checks *checks)
{
    checks->generation++;
}

bool pt_token_checks_are_closed(const struct pt_token_checks *checks)
{
    return now_ns(checks) < checks->closed_until;
}

bool pt_token_checks_has(const struct pt_token_checks *checks, const char *key)
{
    return pt_map_get(&checks->by_key, key) != NULL;
}

size_t pt_token_checks_ahead(const struct pt_token_checks *checks, const char *key)
{
    const struct check *check = pt_map_get(&checks->by_key, key);
    return check ? pt_token_queues_ahead(&checks->waiting, &check->place) : 0;
}

// A check that waits nowhere yet; NULL when out of memory.
static struct check *make_check(struct pt_token_checks *checks, const char *key, const char *token,
                                const char *peer)
{
    size_t length = strlen(token), peer_length = strlen(peer);
    struct check *check = calloc(1, sizeof(*check) + length + peer_length + 2);
    if (!check)
        return NULL;
    memcpy(check->token + length + 1, peer, peer_length + 1);
    check->peer = check->token + length + 1;
    check->checks = checks;
    memccpy(check->key, key, '\0', sizeof(check->key) - 1);
    memcpy(check->token, token, length + 1);
    check->place.owner = check;
    check->place.bytes = sizeof(*check) + length + peer_length;
    return check;
}

int pt_token_checks_add(struct pt_token_checks *checks, const char *key, const char *token,
                        const char *peer, bool is_verified)
{
    if (pt_token_checks_has(checks, key))
        return 0;
    if (!pt_token_queues_have_room(&checks->waiting, peer, strlen(token)) ||
        pt_token_checks_are_closed(checks)) {
        checks->figures.left_out++;
        return -EBUSY;
    }
    struct check *check = make_check(checks, key, token, peer);
    if (!check)
        return -ENOMEM;
    check->is_verified = is_verified;
    check->generation = checks->generation;
    int r = pt_map_add(&checks->by_key, check->key, check);
    if (r == 0)
        r = pt_token_queues_enter(&checks->waiting, peer, &check->place);
    if (r < 0) {
        drop(check);
        return r;
    }
    if (!pt_timer_is_started(checks->timer))
        pt_timer_start(checks->timer, 0);
    return 0;
}

struct pt_token_check_figures pt_token_checks_figures(const struct pt_token_checks *checks)
{
    struct pt_token_check_figures figures = checks->figures;
    figures.waiting = checks->waiting.count;
    return figures;
}
