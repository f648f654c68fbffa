// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "pull/failure_class.h"
#include "pull/failure_words.h"
#include "pull/image_ref.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The bytes 1 to 4 stand for the image: its whole reference, that without tag, that without host,
// and `manifest` with the tag. A reference whose parts read like causes must get the same class as
// one of the same shape whose parts say nothing.

#define MAX_TEXT (4 * PT_LIMIT_ERROR_BYTES)

static const struct {
    const char *loud;
    const char *plain;
} references[] = {
    {"registry.example.com/unauthorized/x509:denied",
     "registry.example.com/aaaaaaaaaaaa/b123:cccccc"},
    {"quay.io/eof/certificate/tls:timeout", "quay.io/abc/abcdefghijk/abc:abcdefg"},
    {"docker.io/library/forbidden:toomanyrequests", "docker.io/library/abcdefghi:abcdefghijklmno"},
    {"status.http.io:5000/code/unpigz:crc32", "abcdef.abcd.io:5000/abcd/abcdef:abc32"},
};

// Whether the text says by itself what the reference says: then no name is at stake.
static bool shares_a_word(const char *text, const struct pt_image_ref *ref)
{
    char parts[PT_IMAGE_REF_SIZE];
    snprintf(parts, sizeof(parts), "%s/%s", ref->path, ref->tag);
    for (char *part = strtok(parts, "/"); part; part = strtok(NULL, "/")) {
        if (strcasestr(text, part))
            return true;
    }
    return false;
}

static void fill_in(const char *text, const struct pt_image_ref *ref, char *filled)
{
    size_t length = 0;
    for (; *text && length + PT_IMAGE_REF_SIZE < MAX_TEXT; text++) {
        char whole[PT_IMAGE_REF_SIZE];
        char *to = filled + length;
        size_t room = MAX_TEXT - length;
        if (*text == 1)
            length += snprintf(to, room, "%s", pt_image_ref_format(ref, whole));
        else if (*text == 2)
            length += snprintf(to, room, "%s/%s", ref->host, ref->path);
        else if (*text == 3)
            length += snprintf(to, room, "/%s:%s", ref->path, ref->tag);
        else if (*text == 4)
            length += snprintf(to, room, " manifest %s ", ref->tag);
        else
            filled[length++] = *text;
    }
    filled[length] = '\0';
}

static void check_words(const char *text, const char *image_ref, enum pt_failure_reading reading)
{
    static struct pt_failure_words words;
    pt_failure_words_read(text, image_ref, reading, &words);
    size_t end = 0;
    for (size_t i = 0; i < words.count; i++) {
        assert(words.words[i].length > 0 && words.words[i].at >= end);
        end = words.words[i].at + words.words[i].length;
    }
    assert(end <= strlen(words.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char loud[MAX_TEXT], plain[MAX_TEXT];
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        struct pt_image_ref loud_ref, plain_ref;
        if (pt_image_ref_parse(references[i].loud, &loud_ref) < 0 ||
            pt_image_ref_parse(references[i].plain, &plain_ref) < 0)
            abort();
        assert(strlen(references[i].loud) == strlen(references[i].plain));
        fill_in(text, &loud_ref, loud);
        fill_in(text, &plain_ref, plain);
        check_words(loud, references[i].loud, PT_FAILURE_READ_OUTSIDE);
        check_words(loud, references[i].loud, PT_FAILURE_READ_ALL);
        enum pt_failure_class got = pt_failure_class_of(loud, references[i].loud);
        assert(pt_failure_class_name(got));
        if (!shares_a_word(text, &loud_ref) && !shares_a_word(text, &plain_ref))
            assert(got == pt_failure_class_of(plain, references[i].plain));
    }
    pt_failure_class_of(text, text);
    pt_failure_class_of(text, NULL);
    free(text);
    return 0;
}
