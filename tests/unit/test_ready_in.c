// SPDX-License-Identifier: Apache-2.0

// `ready in` against the time that was left, over pulls of ten shapes that are played here: a
// runtime that downloads some layers at once, shows their bytes a mebibyte at a time, extracts from
// the lowest layer up and needs a moment to end; an agent that looks four times a second, at
// moments of which each pull is played with several.

#include "store_fixture.h"

#include <math.h>
#include <string.h>

#define MB 1e6
#define MAX_LAYERS 32
#define TICK_S 0.01
#define LOOK_TICKS 25
#define STEP_BYTES (1 << 20)
#define FINISH_S 0.4
#define MOMENTS 5     // of the first look
#define ALLOWED_S 0.3 // a look, which is much of a pull of a second

struct shape {
    const char *name;
    double megabytes[MAX_LAYERS]; // up to the first 0
};

static const struct shape shapes[] = {
    {"one", {10}},
    {"even-3", {8, 8, 8}},
    {"even-6", {4, 4, 4, 4, 4, 4}},
    {"uneven-4", {2, 5, 7, 10}},
    {"uneven-12", {0.4, 0.8, 1.2, 1.6, 2, 2.4, 2.8, 3.2, 3.6, 4, 4.4, 4.8}},
    {"falling-6", {9, 7, 5, 3, 2, 1}},
    {"large-last", {1, 1, 1, 1, 16}},
    {"large-first", {16, 1, 1, 1, 1}},
    {"many-30", {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8,
                 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8}},
    {"two", {4, 12}},
};

enum order {
    FROM_THE_LOWEST,
    LAST_FIRST, // then from the lowest up
    RACE,       // as threads of containerd 2 come: last, middle, first, then each second before one
};

struct runtime {
    const char *name;
    size_t slots;
    double connection, link; // bytes per second of one layer, and of all; 0: no maximum
    double extraction;       // bytes per second
    enum order order;
    double worst_quarter, worst_half; // of the pull's whole time
    double begin_s;                   // from a layer's begin to its first byte
};

static const struct runtime runtimes[] = {
    {"three at once", 3, MB, 0, 300 * MB, FROM_THE_LOWEST, 0.12, 0.08, 0},
    {"slow extraction", 3, MB, 0, 3 * MB, FROM_THE_LOWEST, 0.12, 0.08, 0},
    {"one at once", 1, 3 * MB, 0, 300 * MB, FROM_THE_LOWEST, 0.15, 0.10, 0},
    {"all at once", MAX_LAYERS, MB, 0, 300 * MB, FROM_THE_LOWEST, 0.15, 0.10, 0},
    {"a narrow link", 3, 0, 3 * MB, 300 * MB, FROM_THE_LOWEST, 0.20, 0.16, 0},
    {"last first", 3, MB, 0, 300 * MB, LAST_FIRST, 0.12, 0.08, 0},
    {"a race", 3, MB, 0, 300 * MB, RACE, 0.12, 0.08, 0},
    {"slow to answer", 3, MB, 0, 300 * MB, FROM_THE_LOWEST, 0.08, 0.08, 0.6},
    {"a race for slow answers", 3, MB, 0, 300 * MB, RACE, 0.17, 0.08, 0.6},
};

// One pull that goes on.
struct play {
    const struct runtime *runtime;
    struct pt_layer layers[MAX_LAYERS];
    char digests[MAX_LAYERS][32];
    double come[MAX_LAYERS];
    double waited_s[MAX_LAYERS]; // since the begin, without a byte
    bool begun[MAX_LAYERS];
    size_t order[MAX_LAYERS];
    size_t count;
    size_t extracted;
    double extracted_bytes; // of the one that is being extracted
    struct pt_pull pull;
    double ended_s; // since the last extraction
};

static void move_to_front(struct play *play, size_t from)
{
    size_t layer = play->order[from];
    for (; from > 0; from--)
        play->order[from] = play->order[from - 1];
    play->order[0] = layer;
}

static void put_in_order(struct play *play, enum order order)
{
    for (size_t i = 0; i < play->count; i++)
        play->order[i] = i;
    for (size_t i = 1; order == RACE && i + 1 < play->count; i += 2) {
        play->order[i] = i + 1;
        play->order[i + 1] = i;
    }
    if (order == RACE)
        move_to_front(play, play->count / 2);
    if (order != FROM_THE_LOWEST)
        move_to_front(play, play->count - 1);
}

static void begin(struct play *play, const struct runtime *runtime, const struct shape *shape,
                  const char *id, int64_t now)
{
    *play = (struct play){.runtime = runtime};
    for (; play->count < MAX_LAYERS && shape->megabytes[play->count] > 0; play->count++) {
        char *digest = play->digests[play->count];
        snprintf(digest, sizeof(play->digests[0]), "sha256:%s-%zu", id, play->count);
        play->layers[play->count] = (struct pt_layer){
            .digest = digest,
            .total_bytes = (int64_t)(shape->megabytes[play->count] * MB),
            .total_known = true,
            .phase = PT_LAYER_QUEUED,
        };
    }
    play->pull = make_pull(id, "app:1", play->layers, play->count);
    play->pull.started_at = now;
    put_in_order(play, runtime->order);
}

static bool is_there(const struct play *play, size_t i)
{
    return play->come[i] >= (double)play->layers[i].total_bytes;
}

static size_t running(const struct play *play)
{
    size_t count = 0;
    for (size_t i = 0; i < play->count; i++)
        count += play->begun[i] && !is_there(play, i);
    return count;
}

static void begin_layers(struct play *play)
{
    for (size_t i = 0; i < play->count && running(play) < play->runtime->slots; i++)
        play->begun[play->order[i]] = true;
}

static void download(struct play *play, int64_t now)
{
    const struct runtime *runtime = play->runtime;
    double share = runtime->link > 0 && running(play) ? runtime->link / (double)running(play) : 0;
    double speed = runtime->connection > 0 ? runtime->connection : share;
    for (size_t i = 0; i < play->count; i++) {
        struct pt_layer *layer = &play->layers[i];
        if (!play->begun[i] || is_there(play, i))
            continue;
        if ((play->waited_s[i] += TICK_S) <= runtime->begin_s)
            continue;
        play->come[i] += speed * TICK_S;
        layer->downloaded_bytes = (int64_t)play->come[i] / STEP_BYTES * STEP_BYTES;
        if (layer->downloaded_bytes && !layer->started_at)
            layer->started_at = now;
        layer->phase = layer->downloaded_bytes ? PT_LAYER_DOWNLOADING : PT_LAYER_QUEUED;
        if (!is_there(play, i))
            continue;
        layer->phase = PT_LAYER_DOWNLOADED;
        layer->downloaded_bytes = layer->total_bytes;
        layer->completed_at = now;
        layer->started_at = layer->started_at ? layer->started_at : now;
    }
}

static void extract(struct play *play, int64_t now)
{
    double left = play->runtime->extraction * TICK_S;
    while (left > 0 && play->extracted < play->count && is_there(play, play->extracted)) {
        struct pt_layer *layer = &play->layers[play->extracted];
        double needed = (double)layer->total_bytes - play->extracted_bytes;
        layer->phase = PT_LAYER_EXTRACTING;
        if (!layer->extract_started_at)
            layer->extract_started_at = now;
        play->extracted_bytes += left < needed ? left : needed;
        left -= needed;
        if (left < 0)
            return;
        layer->phase = PT_LAYER_DONE;
        layer->extract_completed_at = now + (int64_t)(TICK_S * 1e9);
        play->extracted++;
        play->extracted_bytes = 0;
    }
}

// What is said at 25 and at 50 %: seconds after the begin, and seconds that were to be left.
struct said {
    double at_s, left_s;
};

static void report(struct scene *scene, struct play *play)
{
    const struct pt_report report = {
        .node_name = "n1",
        .timestamp = scene->now_ns,
        .interval_ms = 250,
        .pulls = &play->pull,
        .pull_count = 1,
    };
    check_int("report", pt_store_apply(scene->store, &report, &scene->err), 0);
}

static void note(struct scene *scene, double at_s, struct said said[2])
{
    struct pt_layer_rate rates[MAX_LAYERS];
    struct pt_pull_status status = pt_stored_pull_status(scene_last(scene), rates);
    for (int half = 0; half < 2; half++) {
        if (said[half].at_s == 0 && status.ready_eta_seconds >= 0 &&
            status.totals.percent >= 25 * (half + 1))
            said[half] = (struct said){at_s, status.ready_eta_seconds};
    }
}

// Plays it to its end; returns the seconds that it took.
static double play_pull(struct scene *scene, const struct runtime *runtime,
                        const struct shape *shape, const char *id, int moment, struct said said[2])
{
    struct play play;
    scene->now_ns += PT_NS_PER_S;
    begin(&play, runtime, shape, id, scene->now_ns);
    for (int tick = 1;; tick++) {
        scene->now_ns += (int64_t)(TICK_S * 1e9);
        begin_layers(&play);
        download(&play, scene->now_ns);
        extract(&play, scene->now_ns);
        play.ended_s += play.extracted == play.count ? TICK_S : 0;
        if (play.ended_s >= FINISH_S && play.pull.phase != PT_PULL_COMPLETED) {
            play.pull.phase = PT_PULL_COMPLETED;
            play.pull.completed_at = scene->now_ns;
        }
        if (tick % LOOK_TICKS != moment * LOOK_TICKS / MOMENTS)
            continue;
        report(scene, &play);
        if (play.pull.phase == PT_PULL_COMPLETED)
            return (double)(play.pull.completed_at - play.pull.started_at) / (double)PT_NS_PER_S;
        note(scene, tick * TICK_S, said);
    }
}

// Plays a shape; returns how many of the two figures were wrong.
static int judge(struct scene *scene, const struct runtime *runtime, const struct shape *shape,
                 int moment)
{
    const double limits[2] = {runtime->worst_quarter, runtime->worst_half};
    struct said said[2] = {{0}};
    int wrong = 0;
    char id[32];
    snprintf(id, sizeof(id), "%s-%d", shape->name, moment);
    double took = play_pull(scene, runtime, shape, id, moment, said);
    for (int half = 0; half < 2; half++) {
        double off = (said[half].left_s - (took - said[half].at_s)) / took;
        bool is_wrong =
            said[half].at_s == 0 || (fabs(off) > limits[half] && fabs(off) * took > ALLOWED_S);
        print_message("%s, %s at %d %%: off by %+.1f %% of %.1f s%s\n", runtime->name, id,
                      25 * (half + 1), 100 * off, took, is_wrong ? " WRONG" : "");
        wrong += is_wrong;
    }
    return wrong;
}

static void ready_in_is_near(void **state)
{
    struct scene *scene = *state;
    int wrong = 0;
    for (size_t r = 0; r < COUNT_OF(runtimes); r++) {
        const struct runtime *runtime = &runtimes[r];
        scene_restart(scene);
        struct said first[2] = {{0}};
        play_pull(scene, runtime, &shapes[2], "first", 0, first); // what the node can is learned
        play_pull(scene, runtime, &shapes[0], "second", 0, first);
        for (int moment = 0; moment < MOMENTS; moment++) {
            for (size_t i = 0; i < COUNT_OF(shapes); i++)
                wrong += judge(scene, runtime, &shapes[i], moment);
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCENE_TEST(ready_in_is_near)};
    return cmocka_run_group_tests_name("ready_in", tests, NULL, NULL);
}
