// SPDX-License-Identifier: Apache-2.0
#include "kube/json_splitter.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    size_t objects;
    size_t bytes;
    size_t too_large;
};

static int on_object(void *context, const char *json, size_t length)
{
    struct sum *sum = context;
    assert(length >= 2 && json[0] == '{' && json[length - 1] != ' ');
    sum->objects++;
    sum->bytes += length;
    return 0;
}

static void on_too_large(void *context)
{
    struct sum *sum = context;
    sum->too_large++;
}

static int feed(bool is_list, const uint8_t *data, size_t size, size_t piece, struct sum *ret_sum)
{
    struct pt_json_splitter splitter;
    *ret_sum = (struct sum){0};
    pt_json_splitter_init(&splitter, is_list, 64, 256);
    splitter.on_object = on_object;
    splitter.on_too_large = on_too_large;
    splitter.context = ret_sum;
    int r = 0;
    for (size_t i = 0; r == 0 && i < size; i += piece)
        r = pt_json_splitter_feed(&splitter, (const char *)data + i,
                                  size - i < piece ? size - i : piece);
    pt_json_splitter_finish(&splitter);
    return r;
}

// The first byte says how; how the bytes come in pieces changes nothing.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool is_list = data[0] & 1;
    size_t piece = (size_t)(data[0] >> 1) + 1;
    struct sum whole, pieces;
    int r_whole = feed(is_list, data + 1, size - 1, size, &whole);
    int r_pieces = feed(is_list, data + 1, size - 1, piece, &pieces);
    assert((r_whole < 0) == (r_pieces < 0));
    assert(memcmp(&whole, &pieces, sizeof(whole)) == 0);
    return 0;
}
