// SPDX-License-Identifier: Apache-2.0
#include "containerd/grpc_frame.h"

#include "check.h"

#define MAX_MESSAGE 16

// The messages that a parser gave, one after the other, each with a `|` behind it.
struct collected {
    char text[256];
    int answer; // what on_message returns
};

static int collect(void *context, const uint8_t *message, size_t length)
{
    struct collected *collected = context;
    size_t used = strlen(collected->text);
    memcpy(collected->text + used, message, length);
    strcpy(collected->text + used + length, "|");
    return collected->answer;
}

static const struct {
    const char *name;
    const char *bytes;
    size_t length;
    int result;
    const char *messages;
    bool is_torn;
} streams[] = {
    {"nothing", "", 0, 0, "", false},
    {"one", "\0\0\0\0\3abc", 8, 0, "abc|", false},
    {"two", "\0\0\0\0\1a\0\0\0\0\2bc", 13, 0, "a|bc|", false},
    {"an empty message", "\0\0\0\0\0", 5, 0, "|", false},
    {"empty ones between", "\0\0\0\0\0\0\0\0\0\1x\0\0\0\0\0", 16, 0, "|x||", false},
    {"the longest",
     "\0\0\0\0\x10"
     "0123456789abcdef",
     21, 0, "0123456789abcdef|", false},
    {"too long",
     "\0\0\0\0\x11"
     "0123456789abcdefg",
     22, -EMSGSIZE, "", false},
    {"a length of 4 GiB", "\0\xff\xff\xff\xff", 5, -EMSGSIZE, "", false},
    {"compressed", "\1\0\0\0\1a", 6, -EPROTO, "", false},
    {"an unknown flag", "\7\0\0\0\1a", 6, -EPROTO, "", false},
    {"a torn header", "\0\0\0", 3, 0, "", true},
    {"a torn message", "\0\0\0\0\3ab", 7, 0, "", true},
    {"a good one, then a torn one", "\0\0\0\0\1a\0\0\0\0\3b", 12, 0, "a|", true},
    {"a good one, then a bad one", "\0\0\0\0\1a\1\0\0\0\1b", 12, -EPROTO, "a|", false},
};

// Whatever the pieces are, the messages are the same.
static void streams_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        for (size_t piece = 1; piece <= streams[i].length + 1; piece++) {
            struct pt_grpc_parser parser;
            struct collected collected = {0};
            pt_grpc_parser_init(&parser, MAX_MESSAGE);
            int r = 0;
            for (size_t at = 0; r == 0 && at < streams[i].length; at += piece) {
                size_t left = streams[i].length - at;
                r = pt_grpc_parser_feed(&parser, streams[i].bytes + at, left < piece ? left : piece,
                                        collect, &collected);
            }
            check_int(streams[i].name, r, streams[i].result);
            check_text(streams[i].name, collected.text, streams[i].messages);
            if (r == 0)
                check_int(streams[i].name, pt_grpc_parser_is_torn(&parser), streams[i].is_torn);
            pt_grpc_parser_finish(&parser);
        }
    }
}

static void a_refused_message_ends_the_feeding(void **state)
{
    (void)state;
    struct pt_grpc_parser parser;
    struct collected collected = {.answer = -EBADMSG};
    pt_grpc_parser_init(&parser, MAX_MESSAGE);
    int r = pt_grpc_parser_feed(&parser, "\0\0\0\0\1a\0\0\0\0\1b", 12, collect, &collected);
    assert_int_equal(r, -EBADMSG);
    assert_string_equal(collected.text, "a|");
    pt_grpc_parser_finish(&parser);
}

static void a_header_is_read_back(void **state)
{
    (void)state;
    uint8_t frame[PT_GRPC_FRAME_HEADER_BYTES + 3];
    struct pt_grpc_parser parser;
    struct collected collected = {0};
    pt_grpc_frame_header(3, frame);
    memcpy(frame + PT_GRPC_FRAME_HEADER_BYTES, "xyz", 3);
    pt_grpc_parser_init(&parser, MAX_MESSAGE);
    assert_int_equal(pt_grpc_parser_feed(&parser, frame, sizeof(frame), collect, &collected), 0);
    assert_string_equal(collected.text, "xyz|");
    pt_grpc_parser_finish(&parser);
    pt_grpc_frame_header(0x01020304, frame);
    assert_memory_equal(frame, "\0\1\2\3\4", 5);
}

static void status_messages(void **state)
{
    (void)state;
    static const struct {
        const char *encoded, *decoded;
    } cases[] = {
        {"", ""},
        {"not found", "not found"},
        {"snapshot%20a%3Ab%0A", "snapshot a:b\n"},
        {"%e2%82%AC", "\xe2\x82\xac"},
        {"100%", "100%"},
        {"%4", "%4"},
        {"%zz%41", "%zzA"},
        {"a%00b", "a%00b"},
        {"0123456789012345678901234567890123456789", "0123456789012345678901234567890"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[32];
        pt_grpc_message_decode(cases[i].encoded, text, sizeof(text));
        check_text(cases[i].encoded, text, cases[i].decoded);
    }
}

static void status_codes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"0", 0},
        {"5", 5},
        {"16", 16},
        {"17", PT_GRPC_UNKNOWN},
        {"-1", PT_GRPC_UNKNOWN},
        {"", PT_GRPC_UNKNOWN},
        {"5x", PT_GRPC_UNKNOWN},
        {"99999999999999999999", PT_GRPC_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_int(cases[i].text, pt_grpc_status_parse(cases[i].text), cases[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_pieces),
        cmocka_unit_test(a_refused_message_ends_the_feeding),
        cmocka_unit_test(a_header_is_read_back),
        cmocka_unit_test(status_messages),
        cmocka_unit_test(status_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
