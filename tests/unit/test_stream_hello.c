// SPDX-License-Identifier: Apache-2.0
#include "stream_fixture.h"

#define GREETING ": pulltrace " PT_VERSION "\nretry: 2000\n\n"
#define HELLO "event: hello\ndata: {\"run\":\""
#define SYNCED "event: synced\ndata: {}\n\n"
#define RUN_DIGITS 16

struct hello {
    char run[RUN_DIGITS + 1];
    uint64_t version;
};

// Reads the hello, which must come right behind the comment line; returns where it ends.
static const char *read_hello(const struct client *client, struct hello *ret_hello)
{
    const char *text = client->text.data;
    assert_memory_equal(text, GREETING HELLO, strlen(GREETING HELLO));
    text += strlen(GREETING HELLO);
    check_int("digits", (int64_t)strspn(text, "0123456789abcdef"), RUN_DIGITS);
    snprintf(ret_hello->run, sizeof(ret_hello->run), "%s", text);
    text += RUN_DIGITS;
    assert_memory_equal(text, "\",\"version\":", strlen("\",\"version\":"));
    char *end;
    ret_hello->version = strtoull(text + strlen("\",\"version\":"), &end, 10);
    assert_memory_equal(end, "}\n\n", 3);
    return end + 3;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

static void it_names_the_run_and_where_the_stream_begins(void **state)
{
    struct world *world = *state;
    struct hello first, second, other;
    struct world *elsewhere;
    download(world, "a", 10);
    read_hello(join(world, "hello=1"), &first);
    read_hello(join(world, "hello=1&layers=0"), &second);
    check_text("one run", second.run, first.run);
    assert_true(first.version == world->scene.store->changes.first_version);
    assert_int_equal(world_setup((void **)&elsewhere), 0);
    read_hello(join(elsewhere, "hello=1"), &other);
    assert_string_not_equal(other.run, first.run);
    assert_int_equal(world_teardown((void **)&elsewhere), 0);
}

static void it_names_the_cluster_that_has_a_name(void **state)
{
    struct world *world = *state;
    pt_event_stream_name_cluster(world->stream, "prod-eu-1");
    const char *text = join(world, "hello=1")->text.data + strlen(GREETING HELLO) + RUN_DIGITS;
    const char expected[] = "\",\"cluster\":\"prod-eu-1\",\"version\":";
    assert_memory_equal(text, expected, strlen(expected));
}

static void a_stream_that_goes_on_says_behind_what(void **state)
{
    struct world *world = *state;
    struct hello hello;
    struct client *client = join(world, "hello=1");
    download(world, "a", 10);
    uint64_t seen = last_id(client);
    leave(client);
    forget(client);
    download(world, "b", 10);
    assert_int_equal(ask(world, client, "hello=1", seen), 0);
    run(world);
    const char *rest = read_hello(client, &hello);
    assert_true(hello.version == seen);
    const char *synced = strstr(rest, SYNCED);
    assert_non_null(synced);
    assert_in_range(strstr(rest, "\"imageRef\":\"b\"") - rest, 1, synced - rest);
    assert_null(strstr(rest, "\"imageRef\":\"a\""));
}

static void synced_comes_once_behind_the_snapshot(void **state)
{
    struct world *world = *state;
    struct hello hello;
    struct client *early = join(world, "hello=1");
    check_text("nothing to send", read_hello(early, &hello), SYNCED);
    download(world, "a", 10);
    download(world, "b", 10);
    struct client *client = new_client(world);
    assert_int_equal(ask(world, client, "hello=1&image=b", 0), 0);
    const char *text = read_hello(client, &hello);
    check_text("not before the snapshot", text, "");
    run(world);
    download(world, "b", 20);
    text = read_hello(client, &hello);
    const char *synced = strstr(text, SYNCED);
    assert_non_null(synced);
    assert_in_range(strstr(text, "pull.progress") - text, 1, synced - text);
    assert_non_null(strstr(synced, "pull.progress"));
    check_int("once", (int64_t)count_of(client->text.data, SYNCED), 1);
    check_int("once, of who was there before", (int64_t)count_of(early->text.data, SYNCED), 1);
}

// Its version is then behind that of the round, as that of each pull that runs is all the time.
static void synced_comes_behind_what_changes_meanwhile(void **state)
{
    struct world *world = *state;
    download(world, "a", 10);
    download(world, "b", 10);
    struct client *client = new_client(world);
    assert_int_equal(ask(world, client, "hello=1", 0), 0);
    report(world, "a", 20, PT_PULL_DOWNLOADING);
    while (pt_event_stream_pump(world->stream))
        ;
    const char *synced = strstr(client->text.data, SYNCED);
    assert_non_null(synced);
    const char *changed = strstr(client->text.data, "\"imageRef\":\"a\"");
    assert_in_range(changed - client->text.data, 1, synced - client->text.data);
    run(world);
    check_int("once", (int64_t)count_of(client->text.data, "\"imageRef\":\"a\""), 1);
}

// It is ahead of the round then, among readers that are in step.
static void who_comes_during_a_round_hides_nobody(void **state)
{
    struct world *world = *state;
    struct client *first = join(world, ""), *second = join(world, "");
    report(world, "a", 10, PT_PULL_DOWNLOADING);
    pt_event_stream_flush(world->stream);
    report(world, "b", 10, PT_PULL_DOWNLOADING);
    struct client *late = new_client(world);
    assert_int_equal(ask(world, late, "hello=1", 0), 0);
    while (pt_event_stream_pump(world->stream))
        ;
    check_int("is ahead", (int64_t)count_of(late->text.data, "\"imageRef\":\"b\""), 1);
    check_int("not yet", (int64_t)count_of(second->text.data, "\"imageRef\":\"b\""), 0);
    run(world);
    const struct client *all[] = {first, second, late};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        check_int("once", (int64_t)count_of(all[i]->text.data, "\"imageRef\":\"b\""), 1);
}

static void synced_waits_for_who_is_slow(void **state)
{
    struct world *world = *state;
    begin_many(world);
    struct client *slow = new_client(world);
    slow->slow = true;
    assert_int_equal(ask(world, slow, "hello=1", 0), 0);
    run(world);
    check_int("after a part", (int64_t)count_of(slow->text.data, SYNCED), 0);
    for (int i = 0; i < 100 && last_id(slow) < scene_version(&world->scene); i++) {
        slow->untaken = 0;
        pt_event_stream_drained(slow->member);
        run(world);
    }
    const char *end = slow->text.data + slow->text.length - strlen(SYNCED);
    check_text("after all", end, SYNCED);
    check_int("once", (int64_t)count_of(slow->text.data, SYNCED), 1);
}

static void who_does_not_ask_gets_the_same_bytes_as_ever(void **state)
{
    struct world *world = *state;
    struct hello hello;
    download(world, "a", 10);
    struct client *plain = join(world, "");
    struct client *unwilling = join(world, "hello=0");
    struct client *asking = join(world, "hello=1");
    download(world, "b", 10);
    report(world, "a", 100, PT_PULL_COMPLETED);
    run(world);
    check_int("events with a name", (int64_t)count_of(plain->text.data, "event:"), 0);
    check_text("hello=0", unwilling->text.data, plain->text.data);
    // What is left of the other stream without the two is the same, byte for byte.
    const char *text = read_hello(asking, &hello);
    const char *synced = strstr(text, SYNCED);
    assert_non_null(synced);
    struct pt_buffer rest;
    pt_buffer_init(&rest, 1 << 20);
    assert_int_equal(pt_buffer_append_text(&rest, GREETING), 0);
    assert_int_equal(pt_buffer_append(&rest, text, (size_t)(synced - text)), 0);
    assert_int_equal(pt_buffer_append_text(&rest, synced + strlen(SYNCED)), 0);
    check_text("the same", rest.data, plain->text.data);
    pt_buffer_finish(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(it_names_the_run_and_where_the_stream_begins),
        WORLD_TEST(it_names_the_cluster_that_has_a_name),
        WORLD_TEST(a_stream_that_goes_on_says_behind_what),
        WORLD_TEST(synced_comes_once_behind_the_snapshot),
        WORLD_TEST(synced_comes_behind_what_changes_meanwhile),
        WORLD_TEST(who_comes_during_a_round_hides_nobody),
        WORLD_TEST(synced_waits_for_who_is_slow),
        WORLD_TEST(who_does_not_ask_gets_the_same_bytes_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
