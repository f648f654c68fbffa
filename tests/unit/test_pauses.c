// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/pauses.h"
#include "pull/rate.h"

#include "check.h"

#define START (INT64_C(1795230245) * PT_NS_PER_S)
#define MIB 1048576

struct scene {
    struct pt_rate rate;
    struct pt_pauses pauses;
    double speed;
};

static void sample(struct scene *scene, double seconds, int64_t bytes)
{
    int64_t at = START + (int64_t)(seconds * (double)PT_NS_PER_S);
    pt_rate_add(&scene->rate, at, bytes);
    pt_pauses_add(&scene->pauses, at, bytes);
    scene->speed = pt_pauses_speed(&scene->pauses, at, scene->rate.bytes_per_second);
}

// One sample a second of layers that write a mebibyte each whenever it is full: steady downloads.
static void steady_downloads_have_a_steady_speed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double bytes_per_second; // of each layer
        int layers;
        int apart_ms; // of a layer's step and the next one's
    } rows[] = {
        {"100 KB/s", 100e3, 1, 0},
        {"150 KB/s", 150e3, 1, 0},
        {"three that began together", 83e3, 3, 0},
        {"three a little apart", 83e3, 3, 400},
        {"400 KB/s", 400e3, 1, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene = {0};
        double wanted = rows[i].bytes_per_second * rows[i].layers;
        for (int second = 0; second < 180; second++) {
            int64_t bytes = 0;
            for (int layer = 0; layer < rows[i].layers; layer++) {
                double since = second - layer * rows[i].apart_ms / 1000.0;
                bytes += since > 0 ? (int64_t)(since * rows[i].bytes_per_second / MIB) * MIB : 0;
            }
            sample(&scene, second, bytes);
            if (second >= 45 && (scene.speed < 0.6 * wanted || scene.speed > 1.5 * wanted))
                fail_msg("%s: %g after %d s", rows[i].name, scene.speed, second);
        }
    }
}

static void patience_follows_the_pauses(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double times[12];               // of a mebibyte each
        double patience_seconds, speed; // 12 s after the last of them, samples each second
    } rows[] = {
        {"nothing yet", {0}, 5, 0},
        {"fast", {1, 2, 3, 4, 5, 6}, 5, 0},
        {"each 10 s", {10, 20, 30, 40}, 30, 2.0 * MIB / 22},
        {"each 30 s", {30, 60, 90}, 60, 2.0 * MIB / 60},
        {"a stall between", {4, 8, 12, 16, 60}, 12, 2.0 * MIB / (48 + 8)},
        {"slow at first", {20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}, 5, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene = {0};
        int64_t bytes = 0;
        double now = 0;
        sample(&scene, 0, 0);
        for (size_t k = 0; k < COUNT_OF(rows[i].times) && rows[i].times[k] > 0; k++) {
            while (now + 1 < rows[i].times[k])
                sample(&scene, ++now, bytes);
            now = rows[i].times[k];
            sample(&scene, now, bytes += MIB);
        }
        double patience = (double)pt_pauses_patience_ns(&scene.pauses) / (double)PT_NS_PER_S;
        check_real(rows[i].name, patience, rows[i].patience_seconds);
        for (int k = 0; k < 12; k++)
            sample(&scene, ++now, bytes);
        check_real(rows[i].name, scene.speed, rows[i].speed);
    }
}

static void it_starts_anew_when_bytes_or_clock_go_back(void **state)
{
    (void)state;
    struct scene scene = {0};
    for (int second = 0; second <= 40; second++)
        sample(&scene, second, second / 10 * MIB);
    check_int("steps", pt_pauses_patience_ns(&scene.pauses), 30 * PT_NS_PER_S);
    sample(&scene, 41, 5);
    check_int("fewer bytes", pt_pauses_patience_ns(&scene.pauses), 5 * PT_NS_PER_S);
    sample(&scene, -100, 6);
    check_int("an earlier time", scene.pauses.count, 1);
}

// A report each ten seconds has no pause between its bytes.
static void rare_samples_are_no_steps(void **state)
{
    (void)state;
    struct scene scene = {0};
    for (int k = 0; k <= 6; k++)
        sample(&scene, 10 * k, k * MIB);
    check_int("patience", pt_pauses_patience_ns(&scene.pauses), 5 * PT_NS_PER_S);
    check_real("speed", scene.speed, MIB / 10.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_downloads_have_a_steady_speed),
        cmocka_unit_test(patience_follows_the_pauses),
        cmocka_unit_test(it_starts_anew_when_bytes_or_clock_go_back),
        cmocka_unit_test(rare_samples_are_no_steps),
    };
    return cmocka_run_group_tests_name("pauses", tests, NULL, NULL);
}
