// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "server/stream/stream_group.h"

#include "stream_fixture.h"

#include <errno.h>
#include <stdio.h>

#define ROOM_BYTES (256 * 1024) // that a block needs

static struct pt_memory_share memory;

static void bound_memory(struct world *world, int64_t max_bytes)
{
    pt_memory_share_init(&memory, "streams", max_bytes, NULL);
    pt_event_stream_set_memory(world->stream, &memory);
}

static void clients_and_blocks_count_and_are_given_back(void **state)
{
    struct world *world = *state;
    bound_memory(world, 0);
    struct client *first = join(world, "image=a");
    int64_t with_one = memory.used_bytes;
    assert_true(with_one > 0);
    struct client *second = join(world, "image=b");
    struct client *third = join(world, "image=b");
    assert_true(memory.used_bytes > with_one);
    download(world, "abc", 10);
    int64_t with_blocks = memory.used_bytes;
    forget(first);
    scene_wait(&world->scene, 2);
    pt_event_stream_heartbeat(world->stream);
    leave(third);
    leave(second);
    leave(first);
    assert_true(with_blocks > 3 * (int64_t)third->text.length);
    check_int("all is given back", memory.used_bytes, 0);
}

static void blocks_are_kept_for_others_for_a_second(void **state)
{
    struct world *world = *state;
    bound_memory(world, 0);
    struct client *first = join(world, "");
    struct client *second = join(world, "");
    int64_t before = memory.used_bytes;
    download(world, "abc", 10);
    pt_stream_block_unref(first->last_block);
    pt_stream_block_unref(second->last_block);
    first->last_block = second->last_block = NULL;
    assert_true(memory.used_bytes > before);
    pt_event_stream_heartbeat(world->stream);
    assert_true(memory.used_bytes > before);
    scene_wait(&world->scene, 1);
    pt_event_stream_heartbeat(world->stream);
    check_int("later", memory.used_bytes, before);
}

static void who_stalls_makes_room_for_the_others(void **state)
{
    struct world *world = *state;
    struct client *good = join(world, "");
    struct client *stalled = join(world, "image=abc");
    stalled->slow = true;
    bound_memory(world, 2 * ROOM_BYTES);
    download(world, "abc", 10);
    pt_memory_share_add(&memory, ROOM_BYTES + 1); // of others
    forget(good);
    download(world, "abc", 20);
    assert_null(stalled->member);
    assert_true(memory.refused > 0);
    pt_memory_share_add(&memory, -ROOM_BYTES - 1);
    run(world);
    assert_non_null(strstr(good->text.data, "\"downloadedBytes\":20"));
}

static void without_room_the_stream_waits_and_nobody_new_comes(void **state)
{
    struct world *world = *state;
    struct client *good = join(world, "");
    bound_memory(world, ROOM_BYTES);
    pt_memory_share_add(&memory, 1); // of others
    forget(good);
    download(world, "abc", 10);
    check_int("blocks", (int64_t)good->blocks, 0);
    struct client *late = new_client(world);
    check_int("joins", ask(world, late, "", 0), -ENOBUFS);
    check_text("why", world->scene.err.message, "the memory for event streams is full");
    pt_memory_share_add(&memory, -1);
    run(world);
    check_int("blocks, with room", (int64_t)good->blocks, 1);
}

static void filters_of_their_own_are_bounded(void **state)
{
    (void)state;
    static struct pt_stream_group *joined[PT_LIMIT_STREAM_FILTERS];
    struct pt_memory_share unbounded = {0};
    struct pt_stream_groups groups;
    char image[16];
    struct pt_stream_request request = {.filter.image = image};
    pt_stream_groups_init(&groups, &unbounded);
    for (int i = 0; i < PT_LIMIT_STREAM_FILTERS; i++) {
        snprintf(image, sizeof(image), "image-%d", i);
        request.address = i % 2 ? "10.0.0.1" : "10.0.0.2";
        check_int(image, pt_stream_groups_admit(&groups, &request), 0);
        joined[i] = pt_stream_groups_join(&groups, &request);
        assert_non_null(joined[i]);
    }
    check_int("as somebody else has it", pt_stream_groups_admit(&groups, &request), 0);
    request.filter.image = "another";
    check_int("another", pt_stream_groups_admit(&groups, &request), -ENOSPC);
    for (int i = 0; i < PT_LIMIT_STREAM_FILTERS; i++)
        pt_stream_groups_leave(&groups, joined[i]);
    check_int("when all are gone", pt_stream_groups_admit(&groups, &request), 0);
    pt_stream_groups_finish(&groups);
    check_int("bytes", unbounded.used_bytes, 0);
}

static void an_address_has_half_of_the_filters(void **state)
{
    (void)state;
    static struct pt_stream_group *joined[PT_LIMIT_STREAM_FILTERS / 2];
    struct pt_memory_share unbounded = {0};
    struct pt_stream_groups groups;
    char image[16];
    struct pt_stream_request request = {.filter.image = image, .address = "10.0.0.1"};
    pt_stream_groups_init(&groups, &unbounded);
    for (size_t i = 0; i < COUNT_OF(joined); i++) {
        snprintf(image, sizeof(image), "image-%zu", i);
        check_int(image, pt_stream_groups_admit(&groups, &request), 0);
        joined[i] = pt_stream_groups_join(&groups, &request);
        assert_non_null(joined[i]);
    }
    check_int("one that it has", pt_stream_groups_admit(&groups, &request), 0);
    request.filter.image = "another";
    check_int("one more", pt_stream_groups_admit(&groups, &request), -EDQUOT);
    request.address = "10.0.0.2";
    check_int("another address", pt_stream_groups_admit(&groups, &request), 0);
    request.address = "10.0.0.1";
    pt_stream_groups_leave(&groups, joined[0]);
    check_int("one less", pt_stream_groups_admit(&groups, &request), 0);
    for (size_t i = 1; i < COUNT_OF(joined); i++)
        pt_stream_groups_leave(&groups, joined[i]);
    pt_stream_groups_finish(&groups);
}

static void filters_in_other_capitals_are_one(void **state)
{
    (void)state;
    struct pt_memory_share unbounded = {0};
    struct pt_stream_groups groups;
    struct pt_stream_request request = {.filter.image = "ReGiStRy", .filter.node = "n1"};
    pt_stream_groups_init(&groups, &unbounded);
    struct pt_stream_group *first = pt_stream_groups_join(&groups, &request);
    request.filter.image = "registry";
    struct pt_stream_group *second = pt_stream_groups_join(&groups, &request);
    assert_ptr_equal(first, second);
    request.filter.node = "N1"; // a node's name is not looked for in any capitals
    struct pt_stream_group *third = pt_stream_groups_join(&groups, &request);
    assert_ptr_not_equal(first, third);
    pt_stream_groups_leave(&groups, first);
    pt_stream_groups_leave(&groups, second);
    pt_stream_groups_leave(&groups, third);
    pt_stream_groups_finish(&groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(clients_and_blocks_count_and_are_given_back),
        WORLD_TEST(blocks_are_kept_for_others_for_a_second),
        WORLD_TEST(who_stalls_makes_room_for_the_others),
        WORLD_TEST(without_room_the_stream_waits_and_nobody_new_comes),
        cmocka_unit_test(filters_of_their_own_are_bounded),
        cmocka_unit_test(an_address_has_half_of_the_filters),
        cmocka_unit_test(filters_in_other_capitals_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
