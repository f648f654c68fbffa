// SPDX-License-Identifier: Apache-2.0
#include "pull/failure_class.h"

#include "check.h"
#include "pull/image_ref.h"

#include <stdio.h>
#include <stdlib.h>

// The wordings of tests/fixtures/failure_wordings.tsv, whose head says what is in it.

#define HEX "5555555555555555555555555555555555555555555555555555555555555555"
#define DIGEST "sha256:" HEX
#define MIN_WORDINGS 150

static const char *wordings_path;

// The first says nothing; the others read like causes, whole or in parts.
static const char *const references[] = {
    "registry.example.com/team/app:1.2",
    "registry.example.com/unauthorized/page:denied",
    "docker.io/enix/x509-certificate-exporter:timeout",
    "docker.io/library/forbidden:not-found",
    "docker.io/i/o:timeout",
    "quay.io/geofence/eof-tls:404",
    "ghcr.io/no/such/host/toomanyrequests:unexpected-eof",
    "status.http.example:5000/status/503/certificate:500",
};

struct parts {
    const char *reference;
    char name[PT_IMAGE_REF_SIZE];
    char short_name[PT_IMAGE_REF_SIZE];
    struct pt_image_ref ref;
    const char *path;
};

static void take_apart(const char *reference, struct parts *parts)
{
    parts->reference = reference;
    assert_int_equal(pt_image_ref_parse(reference, &parts->ref), 0);
    parts->path = parts->ref.path;
    if (strncmp(parts->path, "library/", 8) == 0)
        parts->path += 8; // as Docker names it
    snprintf(parts->name, sizeof(parts->name), "%s/%s", parts->ref.host, parts->ref.path);
    snprintf(parts->short_name, sizeof(parts->short_name), "%s:%s", parts->path, parts->ref.tag);
}

// Writes the wording with the marks replaced.
static void fill_in(const char *wording, const struct parts *parts, char *text, size_t size)
{
    const struct {
        const char *mark;
        const char *value;
    } marks[] = {
        {"{ref}", parts->reference}, {"{name}", parts->name},
        {"{path}", parts->path},     {"{short}", parts->short_name},
        {"{host}", parts->ref.host}, {"{tag}", parts->ref.tag},
        {"{digest}", DIGEST},        {"{hex}", HEX},
    };
    size_t length = 0;
    while (*wording && length + 1 < size) {
        size_t i = 0;
        while (i < COUNT_OF(marks) && strncmp(wording, marks[i].mark, strlen(marks[i].mark)) != 0)
            i++;
        if (i == COUNT_OF(marks)) {
            text[length++] = *wording++;
            continue;
        }
        length += snprintf(text + length, size - length, "%s", marks[i].value);
        wording += strlen(marks[i].mark);
    }
    text[length] = '\0';
}

static int check_wording(const char *wanted, const char *source, const char *wording)
{
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(references); i++) {
        char text[4096];
        struct parts parts;
        take_apart(references[i], &parts);
        fill_in(wording, &parts, text, sizeof(text));
        const char *got = pt_failure_class_name(pt_failure_class_of(text, references[i]));
        if (strcmp(got, wanted) != 0) {
            print_error("%s: got %s, wanted %s: %s\n", source, got, wanted, text);
            wrong++;
        }
    }
    return wrong;
}

static void
sorts_the_errors_of_kubelets_runtimes_and_registries_whatever_the_image_is_called(void **state)
{
    (void)state;
    FILE *file = fopen(wordings_path, "r");
    assert_non_null(file);
    char line[2048];
    int count = 0, wrong = 0;
    while (fgets(line, sizeof(line), file)) {
        char *rest = line;
        if (*line == '#')
            continue;
        const char *wanted = strsep(&rest, "\t");
        const char *source = strsep(&rest, "\t");
        const char *wording = strsep(&rest, "\n");
        assert_non_null(wording);
        wrong += check_wording(wanted, source, wording);
        count++;
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(count >= MIN_WORDINGS);
}

static void a_name_decides_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        const char *image_ref;
        const char *name;
    } cases[] = {
        {"cannot do \"registry.io/not-found/timeout:x509\"", NULL, "other"},
        {"cannot do \"not-found\"", NULL, "other"},
        {"cannot do 'forbidden'", NULL, "other"},
        {"GET https://registry.io/forbidden/x509: odd", NULL, "other"},
        {"odd answer of registry.io/forbidden/x509:eof", NULL, "other"},
        {"odd answer of forbidden.registry.io", NULL, "other"},
        {"odd manifest forbidden", "registry.io/app:forbidden", "other"},
        {"odd manifest for eof:denied", "eof:denied", "other"},
        {"odd manifest for EOF:denied", "EOF:denied", "other"}, // no reference, but a name
        {"dial tcp: lookup unauthorized on 10.0.0.1:53: no such host", "unauthorized/a", "network"},
        // The same word where it is none.
        {"odd manifest: forbidden", "registry.io/app:1", "unauthorized"},
        {"error: unauthorized", "docker.io/library/unauthorized:1", "unauthorized"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(cases[i].error,
                   pt_failure_class_name(pt_failure_class_of(cases[i].error, cases[i].image_ref)),
                   cases[i].name);
}

static void reads_structure_before_words(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        const char *name;
    } cases[] = {
        {NULL, "other"},
        {"", "other"},
        // Whole words.
        {"geofence", "other"},
        {"a notfoundation", "other"},
        {"unauthorizedly", "other"},
        {"Unauthorized.", "unauthorized"},
        // Three digits are a status where something says so.
        {"unexpected http status 404", "not_found"},
        {"HTTP/1.1 503", "network"},
        {"code:404", "not_found"},
        {"status=403", "unauthorized"},
        {"StatusCode: 599", "network"},
        {"404", "other"},
        {"rpc error: code = Unknown desc = 404 things", "other"},
        {"stream ID 404", "other"},
        {"status 4044", "other"},
        {"status 200", "other"},
        {"status 418", "other"},
        // Quotes are read last: what is outside says more.
        {"unexpected status 403: \"no such manifest, not found\"", "unauthorized"},
        {"the server said \"no such manifest, not found\"", "not_found"},
        {"the server said {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\"}]}", "not_found"},
        {"the server said {\"errors\":[{\"code\":\"DENIED\"}]}", "unauthorized"},
        {"the server said [x509 things of a mirror]: denied", "unauthorized"},
        {"[rpc error: code = Unknown desc = x509: bad]", "tls"},
        // Quotes that never close, as at the end of a cut message.
        {"the server said \"too many requests", "rate_limited"},
        {"the server said [too many requests", "rate_limited"},
        {"couldn't reach it: EOF", "network"},
        {"the users' access denied", "unauthorized"},
        // The step before the cause.
        {"failed to extract layer: not found", "not_unpacked"},
        {"error getting credentials: not found", "unauthorized"},
        {"error getting credentials: dial tcp 192.0.2.1:443: i/o timeout", "timeout"},
        {"read /run/containerd/containerd.sock: EOF", "other"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_text(cases[i].error ? cases[i].error : "no error",
                   pt_failure_class_name(pt_failure_class_of(cases[i].error, NULL)), cases[i].name);
}

// An opening that never closes must not be looked for again and again.
static void long_texts_are_read_to_their_limit(void **state)
{
    (void)state;
    static const char *const units[] = {"[",    "\"",  "'",  "`",        "{\"",
                                        "\\\"", "[\"", "a ", "{\"a[\"'`"};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        char text[3 * PT_LIMIT_ERROR_BYTES] = "";
        size_t length = strlen(units[i]);
        for (size_t at = 0; at + length < sizeof(text) - 64; at += length)
            memcpy(text + at, units[i], length);
        strcat(text, " too many requests");
        check_text(units[i], pt_failure_class_name(pt_failure_class_of(text, NULL)), "other");
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            sorts_the_errors_of_kubelets_runtimes_and_registries_whatever_the_image_is_called),
        cmocka_unit_test(a_name_decides_nothing),
        cmocka_unit_test(reads_structure_before_words),
        cmocka_unit_test(long_texts_are_read_to_their_limit),
    };
    wordings_path = argc > 1 ? argv[1] : "tests/fixtures/failure_wordings.tsv";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
