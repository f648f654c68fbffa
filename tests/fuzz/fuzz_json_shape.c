// SPDX-License-Identifier: Apache-2.0
#include "base/json_shape.h"
#include "source.h"

#include <assert.h>
#include <yyjson.h>

#define MOST_VALUES 64
#define DEEPEST 8

static size_t count(yyjson_val *value, size_t depth, size_t *ret_deepest)
{
    size_t values = 1;
    yyjson_val *key, *item;
    size_t i, n;
    if (yyjson_is_ctn(value) && depth + 1 > *ret_deepest)
        *ret_deepest = depth + 1;
    yyjson_obj_foreach(value, i, n, key, item)
    {
        values += 1 + count(item, depth + 1, ret_deepest);
    }
    yyjson_arr_foreach(value, i, n, item)
    {
        values += count(item, depth + 1, ret_deepest);
    }
    return values;
}

// The guard before the reader counts what the reader will find: nothing larger passes, and nothing
// that is much smaller is refused.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int r = pt_json_check_shape((const char *)data, size, DEEPEST, MOST_VALUES, NULL);
    yyjson_doc *document = size < 100000 ? yyjson_read((const char *)data, size, 0) : NULL;
    if (document) {
        size_t deepest = 0;
        size_t values = count(yyjson_doc_get_root(document), 0, &deepest);
        if (r == 0) // brackets alone may pass by as many as are open
            assert(values <= MOST_VALUES + DEEPEST && deepest <= DEEPEST);
        else // what is empty counts twice
            assert(2 * values > MOST_VALUES || deepest > DEEPEST);
    }
    yyjson_doc_free(document);
    return 0;
}
