// SPDX-License-Identifier: Apache-2.0
#include "kube/json_splitter.h"

#include "check.h"

#include <stdlib.h>

struct collected {
    char text[1000]; // each object, then a semicolon
    int too_large;
    int stop_with; // on_object returns this
};

static int on_object(void *context, const char *json, size_t length)
{
    struct collected *collected = context;
    strncat(collected->text, json, length);
    strcat(collected->text, ";");
    return collected->stop_with;
}

static void on_too_large(void *context)
{
    struct collected *collected = context;
    collected->too_large++;
}

static void init(struct pt_json_splitter *splitter, bool is_list, size_t max,
                 struct collected *collected)
{
    *collected = (struct collected){0};
    pt_json_splitter_init(splitter, is_list, max, 200);
    splitter->on_object = on_object;
    splitter->on_too_large = on_too_large;
    splitter->context = collected;
}

static int feed_in_pieces(struct pt_json_splitter *splitter, const char *text, size_t piece)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i += piece) {
        size_t n = length - i < piece ? length - i : piece;
        char *copy = malloc(n); // its own block, so that reading past its end is seen
        memcpy(copy, text + i, n);
        int r = pt_json_splitter_feed(splitter, copy, n);
        free(copy);
        if (r < 0)
            return r;
    }
    return 0;
}

static void cuts_a_watch_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const char stream[] = "{\"a\":\"}{\\\"\\\\\"}\n{\"b\":[{},{\"c\":1}]}\r\n{}";
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        struct pt_json_splitter splitter;
        struct collected collected;
        init(&splitter, false, 100, &collected);
        assert_int_equal(feed_in_pieces(&splitter, stream, piece), 0);
        assert_string_equal(collected.text, "{\"a\":\"}{\\\"\\\\\"};{\"b\":[{},{\"c\":1}]};{};");
        assert_true(pt_json_splitter_is_at_end(&splitter));
        pt_json_splitter_finish(&splitter);
    }
}

static void cuts_a_list_and_keeps_its_rest(void **state)
{
    (void)state;
    static const char list[] =
        "{\"kind\":\"PodList\",\"metadata\":{\"items\":[{\"no\":1}],\"continue\":\"c\"},"
        "\"items\":[{\"x\":{\"items\":[{}]}} ,\n{\"y\":\"]\"}],\"after\":\"items\"}";
    for (size_t piece = 1; piece <= sizeof(list); piece++) {
        struct pt_json_splitter splitter;
        struct collected collected;
        init(&splitter, true, 100, &collected);
        assert_int_equal(feed_in_pieces(&splitter, list, piece), 0);
        assert_string_equal(collected.text, "{\"x\":{\"items\":[{}]}};{\"y\":\"]\"};");
        assert_string_equal(
            splitter.rest.data,
            "{\"kind\":\"PodList\",\"metadata\":{\"items\":[{\"no\":1}],\"continue\":\"c\"},"
            "\"items\":[],\"after\":\"items\"}");
        assert_true(pt_json_splitter_is_at_end(&splitter));
        pt_json_splitter_finish(&splitter);
    }
}

static void takes_lists_without_items(void **state)
{
    (void)state;
    static const char *const lists[] = {"{\"items\":[]}", "{\"items\":null}", "{\"code\":403}"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct pt_json_splitter splitter;
        struct collected collected;
        init(&splitter, true, 100, &collected);
        assert_int_equal(feed_in_pieces(&splitter, lists[i], 3), 0);
        check_text(lists[i], splitter.rest.data, lists[i]);
        check_text(lists[i], collected.text, "");
        pt_json_splitter_finish(&splitter);
    }
}

static void goes_on_behind_an_object_that_is_too_large(void **state)
{
    (void)state;
    struct pt_json_splitter splitter;
    struct collected collected;
    init(&splitter, false, 10, &collected);
    assert_int_equal(feed_in_pieces(&splitter, "{\"a\":1}{\"long\":\"0123456789\"}{\"b\":2}", 4),
                     0);
    assert_string_equal(collected.text, "{\"a\":1};{\"b\":2};");
    assert_int_equal(collected.too_large, 1);
    pt_json_splitter_finish(&splitter);
}

static void gives_up_an_object_that_does_not_end(void **state)
{
    (void)state;
    struct pt_json_splitter splitter;
    struct collected collected;
    char endless[2000] = "{\"a\":\"";
    memset(endless + 6, 'x', sizeof(endless) - 7);
    init(&splitter, false, 10, &collected);
    assert_int_equal(feed_in_pieces(&splitter, endless, 100), -EMSGSIZE);
    assert_int_equal(collected.too_large, 1);
    assert_true(splitter.object.capacity < 100);
    pt_json_splitter_finish(&splitter);
}

static void refuses_what_cannot_be_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_list;
        int error;
    } cases[] = {
        {"<html>", false, -EBADMSG},  {"}", false, -EBADMSG},          {"[{}]", false, -EBADMSG},
        {"\"text\"", true, -EBADMSG}, {"{} word {}", false, -EBADMSG}, {"1", true, -EBADMSG},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_json_splitter splitter;
        struct collected collected;
        init(&splitter, cases[i].is_list, 100, &collected);
        check_int(cases[i].text, feed_in_pieces(&splitter, cases[i].text, 1), cases[i].error);
        pt_json_splitter_finish(&splitter);
    }
}

static void bounds_depth_and_rest(void **state)
{
    (void)state;
    struct pt_json_splitter splitter;
    struct collected collected;
    char deep[3000] = "{\"a\":";
    memset(deep + 5, '[', sizeof(deep) - 6);
    init(&splitter, false, 10000, &collected);
    assert_int_equal(feed_in_pieces(&splitter, deep, 100), -EBADMSG);
    pt_json_splitter_finish(&splitter);

    char wide[300] = "{\"a\":\"";
    memset(wide + 6, 'x', sizeof(wide) - 7);
    init(&splitter, true, 100, &collected);
    assert_int_equal(feed_in_pieces(&splitter, wide, 100), -EMSGSIZE);
    pt_json_splitter_finish(&splitter);
}

static void hands_on_what_stops_it_and_begins_anew(void **state)
{
    (void)state;
    struct pt_json_splitter splitter;
    struct collected collected;
    init(&splitter, false, 100, &collected);
    collected.stop_with = -ESTALE;
    assert_int_equal(feed_in_pieces(&splitter, "{\"a\":1}{\"b\"", 100), -ESTALE);
    collected = (struct collected){0};
    pt_json_splitter_reset(&splitter);
    assert_int_equal(feed_in_pieces(&splitter, "{\"c\":3}", 2), 0);
    assert_string_equal(collected.text, "{\"c\":3};");
    assert_int_equal(feed_in_pieces(&splitter, "{\"half\":", 2), 0);
    assert_false(pt_json_splitter_is_at_end(&splitter));
    pt_json_splitter_finish(&splitter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_a_watch_in_pieces_of_any_size),
        cmocka_unit_test(cuts_a_list_and_keeps_its_rest),
        cmocka_unit_test(takes_lists_without_items),
        cmocka_unit_test(goes_on_behind_an_object_that_is_too_large),
        cmocka_unit_test(gives_up_an_object_that_does_not_end),
        cmocka_unit_test(refuses_what_cannot_be_json),
        cmocka_unit_test(bounds_depth_and_rest),
        cmocka_unit_test(hands_on_what_stops_it_and_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
