// SPDX-License-Identifier: Apache-2.0
#include "server/identity/token_queues.h"

#include "base/limits.h"

#include "check.h"

#include <string.h>

struct waiting {
    const char *name;
    struct pt_token_place place;
};

static void enter(struct pt_token_queues *queues, const char *peer, struct waiting *waiting,
                  const char *name, size_t bytes)
{
    *waiting = (struct waiting){.name = name, .place = {.owner = waiting, .bytes = bytes}};
    assert_int_equal(pt_token_queues_enter(queues, peer, &waiting->place), 0);
}

// The names of all that wait, in the order in which they leave.
static const char *leave_all(struct pt_token_queues *queues)
{
    static char names[64];
    struct waiting *next;
    names[0] = '\0';
    while ((next = pt_token_queues_next(queues))) {
        strncat(names, next->name, sizeof(names) - strlen(names) - 1);
        pt_token_queues_leave(queues, &next->place);
        assert_null(next->place.queue);
    }
    return names;
}

static void addresses_take_turns(void **state)
{
    (void)state;
    static const struct {
        const char *name, *peers, *left; // each one's peer is a letter, its name a number
    } cases[] = {
        {"nobody", "", ""},
        {"one address, as they came", "aaa", "012"},
        {"one each", "abc", "012"},
        {"a crowd, and one", "aaaab", "04123"},
        {"two crowds", "aaabbb", "031425"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static const char *const numbers[] = {"0", "1", "2", "3", "4", "5"};
        struct pt_token_queues queues;
        struct waiting waiting[COUNT_OF(numbers)];
        pt_token_queues_init(&queues);
        for (size_t k = 0; cases[i].peers[k]; k++) {
            const char peer[] = {cases[i].peers[k], '\0'};
            enter(&queues, peer, &waiting[k], numbers[k], 1);
        }
        check_text(cases[i].name, leave_all(&queues), cases[i].left);
        pt_token_queues_finish(&queues);
    }
}

static void what_waits_is_counted(void **state)
{
    (void)state;
    struct pt_token_queues queues;
    struct waiting one, two, other;
    pt_token_queues_init(&queues);
    enter(&queues, "a", &one, "1", 10);
    enter(&queues, "a", &two, "2", 5);
    enter(&queues, "b", &other, "3", 7);
    check_int("all", (int64_t)queues.count, 3);
    check_int("bytes", (int64_t)queues.bytes, 22);
    check_int("before one of two", (int64_t)pt_token_queues_ahead(&queues, &two.place), 3);
    check_int("before the only one", (int64_t)pt_token_queues_ahead(&queues, &other.place), 2);
    pt_token_queues_leave(&queues, &two.place); // from the middle
    check_int("before who left", (int64_t)pt_token_queues_ahead(&queues, &two.place), 0);
    check_int("bytes of the others", (int64_t)queues.bytes, 17);
    leave_all(&queues);
    check_int("none", (int64_t)queues.count, 0);
    check_int("no bytes", (int64_t)queues.bytes, 0);
    pt_token_queues_finish(&queues);
}

static void one_address_has_a_part_of_the_room(void **state)
{
    (void)state;
    const size_t all = PT_LIMIT_WAITING_TOKEN_BYTES, part = PT_LIMIT_WAITING_TOKEN_BYTES_PER_PEER;
    struct pt_token_queues queues;
    struct waiting one, other;
    pt_token_queues_init(&queues);
    assert_true(pt_token_queues_have_room(&queues, "a", part));
    assert_false(pt_token_queues_have_room(&queues, "a", part + 1));
    enter(&queues, "a", &one, "1", part);
    assert_false(pt_token_queues_have_room(&queues, "a", 1));
    assert_true(pt_token_queues_have_room(&queues, "b", all - part));
    enter(&queues, "b", &other, "2", all - part);
    assert_false(pt_token_queues_have_room(&queues, "c", 1));
    leave_all(&queues);
    assert_true(pt_token_queues_have_room(&queues, "a", part));
    pt_token_queues_finish(&queues);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_take_turns),
        cmocka_unit_test(what_waits_is_counted),
        cmocka_unit_test(one_address_has_a_part_of_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
