// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/output.h"
#include "source.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yyjson.h>

// Words of peers in the log: each line is one JSON object, in which no control stands as it is,
// neither of 7 bits nor of 8.

static void check_line(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i], next = (unsigned char)line[i + 1];
        assert(c >= ' ' && c != 0x7f);
        assert(c != 0xc2 || next >= 0xa0);
    }
    yyjson_doc *document = yyjson_read(line, length, 0);
    assert(document && yyjson_is_obj(yyjson_doc_get_root(document)));
    assert(yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(document), "error")));
    yyjson_doc_free(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char text[65536];
    struct source source = {data, size};
    if (fd < 0) {
        fd = memfd_create("log", MFD_CLOEXEC);
        pt_log_set_descriptor(fd);
    }
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    char *image = take_text(&source, 4);
    char *error = take_rest(&source);
    pt_log_warn("pull.failed", pt_log_text("image", image), pt_log_int("times", (int64_t)size),
                pt_log_text("error", error));
    pt_log_flush();
    ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
    assert(length > 1 && text[length - 1] == '\n');
    check_line(text, (size_t)length - 1);
    free(image);
    free(error);
    return 0;
}
