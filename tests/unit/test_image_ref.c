// SPDX-License-Identifier: Apache-2.0
#include "pull/image_ref.h"

#include "check.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEN "abcdefghij"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void follows_the_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *normalized; // NULL: malformed
    } cases[] = {
        {"nginx", "docker.io/library/nginx:latest"},
        {"nginx:1.29", "docker.io/library/nginx:1.29"},
        {"bitnami/redis", "docker.io/bitnami/redis:latest"},
        {"docker.io/nginx", "docker.io/library/nginx:latest"},
        {"index.docker.io/nginx", "docker.io/library/nginx:latest"},
        {"ghcr.io/acme/app:2026.11.3", "ghcr.io/acme/app:2026.11.3"},
        {"localhost/app", "localhost/app:latest"},
        {"localhost:5000/app", "localhost:5000/app:latest"},
        {"host:5000/app", "host:5000/app:latest"},
        {"host:5000/app:v1", "host:5000/app:v1"},
        {"Host/app", "Host/app:latest"},
        {"[::1]:5000/a/b:t", "[::1]:5000/a/b:t"},
        {"a/b/c/d", "docker.io/a/b/c/d:latest"},
        {"nginx@sha256:" HEX, "docker.io/library/nginx@sha256:" HEX},
        {"nginx:1@sha256:" HEX, "docker.io/library/nginx:1@sha256:" HEX},
        {"a__b", "docker.io/library/a__b:latest"},
        {"a---b", "docker.io/library/a---b:latest"},
        {"a.b/c", "a.b/c:latest"},
        {HEX, NULL},
        {HEX ":tag", NULL},
        {"", NULL},
        {":tag", NULL},
        {"a/", NULL},
        {"/a", NULL},
        {"a//b", NULL},
        {"foo/Bar", NULL},
        {"a___b", NULL},
        {"a..b", NULL},
        {"a-", NULL},
        {"-a", NULL},
        {"a:", NULL},
        {"a:.x", NULL},
        {"a:b:c", NULL},
        {"a b", NULL},
        {"-host.io/a", NULL},
        {"host-.io/a", NULL},
        {"host..io/a", NULL},
        {"host.io:x/a", NULL},
        {"host.io:/a", NULL},
        {"[::1/a", NULL},
        {"nginx@sha256:abc", NULL},
        {"nginx@" HEX, NULL},
        {"nginx@sha256", NULL},
        {"nginx@:" HEX, NULL},
        {"nginx@sha256:" HEX "@sha256:" HEX, NULL},
        {"a.io/" HUNDRED HUNDRED TEN TEN TEN TEN TEN,
         "a.io/" HUNDRED HUNDRED TEN TEN TEN TEN TEN ":latest"},
        {"a.io/" HUNDRED HUNDRED TEN TEN TEN TEN TEN "a", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pt_image_ref ref;
        char text[PT_IMAGE_REF_SIZE];
        int r = pt_image_ref_parse(cases[i].text, &ref);
        check_int(cases[i].text, r, cases[i].normalized ? 0 : -EINVAL);
        if (r < 0)
            continue;
        check_text(cases[i].text, pt_image_ref_format(&ref, text), cases[i].normalized);
        struct pt_image_ref again;
        check_int(text, pt_image_ref_parse(text, &again), 0);
        assert_memory_equal(&again, &ref, sizeof(ref));
    }
}

static void leaves_the_result_alone_on_error(void **state)
{
    (void)state;
    struct pt_image_ref ref = {.path = "before"};
    assert_int_equal(pt_image_ref_parse("a:b:c", &ref), -EINVAL);
    assert_string_equal(ref.path, "before");
    assert_string_equal(ref.tag, "");
}

static void knows_content_references(void **state)
{
    (void)state;
    assert_true(pt_is_content_ref("sha256:" HEX));
    assert_true(pt_is_content_ref("layer-sha256:" HEX));
    assert_true(pt_is_content_ref("attestation-sha256:" HEX));
    assert_false(pt_is_content_ref("nginx"));
    assert_false(pt_is_content_ref("layer-cake:1"));
    assert_false(pt_is_content_ref("nginx@sha256:" HEX));
}

static void the_port_of_a_repository(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *repository, *ported;
    } rows[] = {
        {"localhost:5000/app:1.0", "localhost/app", "localhost:5000/app"},
        {"localhost:5000/app@sha256:" HEX, "localhost/app", "localhost:5000/app"},
        {"localhost:5000/app", "localhost/app", "localhost:5000/app"},
        {"[::1]:5000/team/app:1", "::1/team/app", "[::1]:5000/team/app"},
        {"localhost:5000/app-two:1", "localhost/app", NULL},
        {"localhost:5000/other:1", "localhost/app", NULL},
        {"localhost/app:1", "localhost/app", NULL},
        {"localhost:/app:1", "localhost/app", NULL},
        {"localhost:x/app:1", "localhost/app", NULL},
        {"[::1/app:1", "::1/app", NULL},
        {"registry.example:5000/app:1", "registry/app", NULL},
        {"", "localhost/app", NULL},
        {"localhost:5000/app:1", "localhost", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t length = pt_image_ref_ported(rows[i].reference, rows[i].repository);
        check_int(rows[i].reference, (int64_t)length,
                  rows[i].ported ? (int64_t)strlen(rows[i].ported) : 0);
        if (rows[i].ported)
            check_int(rows[i].ported, pt_repository_is_same(rows[i].repository, rows[i].ported),
                      true);
    }
    check_int("the same", pt_repository_is_same("a.example/app", "a.example/app"), true);
    check_int("two ports", pt_repository_is_same("a.example:1/app", "a.example:2/app"), false);
    check_int("two paths", pt_repository_is_same("a.example:1/app", "a.example/other"), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_of_a_repository),
        cmocka_unit_test(follows_the_grammar),
        cmocka_unit_test(leaves_the_result_alone_on_error),
        cmocka_unit_test(knows_content_references),
    };
    return cmocka_run_group_tests_name("image_ref", tests, NULL, NULL);
}
