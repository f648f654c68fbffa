// SPDX-License-Identifier: Apache-2.0
#include "base/json_shape.h"

#include "check.h"

#include <stdlib.h>

#define MAX_DEPTH 3
#define MAX_VALUES 6

static void judges_depth_and_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *json;
        int wanted;
    } rows[] = {
        {"nothing", "", 0},
        {"one value", "1", 0},
        {"as deep as may be", "[[[]]]", 0},
        {"deeper", "[[[[]]]]", -EMSGSIZE},
        {"deeper, objects", "{\"a\":{\"b\":[{", -EMSGSIZE},
        {"one after the other", "[[],[],[]", 0},
        {"as many as may be", "[1,2,3,4,5", 0},
        {"more", "[1,2,3,4,5,6", -EMSGSIZE},
        {"keys count", "{\"a\":1,\"b\":2,\"c\":3}", -EMSGSIZE},
        {"not what stands in a text", "[\"[[[[,,,,,,,,::::{{{{\"]", 0},
        {"nor behind an escaped quote", "[\"\\\",,,,,,,,[[[[\"]", 0},
        {"but behind an escaped backslash", "[\"\\\\\",[[[", -EMSGSIZE},
        {"three of them", "[\"\\\\\\\",[[[", 0},
        {"a quote that ends one text and one that begins another", "[\"\",\"\",[[[", -EMSGSIZE},
        {"a text without an end", "[\"[[[[", 0},
        {"a quote at the end", "[\"", 0},
        {"more ends than beginnings", "]]]]}}}}[[[", 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t length = strlen(rows[i].json);
        char *copy = malloc(length + (length == 0)); // of the exact size
        struct pt_error err;
        memcpy(copy, rows[i].json, length);
        check_int(rows[i].name, pt_json_check_shape(copy, length, MAX_DEPTH, MAX_VALUES, &err),
                  rows[i].wanted);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_depth_and_values),
    };
    return cmocka_run_group_tests_name("json_shape", tests, NULL, NULL);
}
