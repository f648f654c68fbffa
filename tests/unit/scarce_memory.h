// SPDX-License-Identifier: Apache-2.0
#ifndef PT_TESTS_SCARCE_MEMORY_H
#define PT_TESTS_SCARCE_MEMORY_H

#include "base/log.h"

#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

// Something runs again and again, with its first allocation failing, then its second, and so on,
// until it gets through: once with all that follow failing too, once with that one alone. The
// linker turns the allocations of our own libraries to these functions (scarce_memory in
// meson.build); those of libyyjson count as one for each document. What is lost on the way the
// sanitizer reports.

// The text of a function, and what it stands for.
#define SCARCE_ROW(run, may_succeed)                                                               \
    {                                                                                              \
#run, run, may_succeed                                                                     \
    }

struct scarce_row {
    const char *name;
    int (*run)(void);
    bool may_succeed; // it does without what there is no memory for; else it is -ENOMEM
};

static struct scarce_memory {
    bool is_scarce;
    int left;     // allocations that succeed before the first that does not
    bool is_once; // those behind it succeed too
    bool has_failed;
} scarce_memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
yyjson_doc *__real_yyjson_read_opts(char *data, size_t length, yyjson_read_flag flags,
                                    const yyjson_alc *allocator, yyjson_read_err *err);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_asprintf(char **ret_text, const char *format, ...) __attribute__((format(printf, 2, 3)));
yyjson_doc *__wrap_yyjson_read_opts(char *data, size_t length, yyjson_read_flag flags,
                                    const yyjson_alc *allocator, yyjson_read_err *err);

static inline bool allocation_fails(void)
{
    if (!scarce_memory.is_scarce || (scarce_memory.is_once && scarce_memory.has_failed))
        return false;
    if (scarce_memory.left > 0) {
        scarce_memory.left--;
        return false;
    }
    scarce_memory.has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return allocation_fails() ? NULL : __real_strndup(text, size);
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    va_list arguments;
    if (allocation_fails())
        return -1;
    va_start(arguments, format);
    int length = vasprintf(ret_text, format, arguments);
    va_end(arguments);
    return length;
}

yyjson_doc *__wrap_yyjson_read_opts(char *data, size_t length, yyjson_read_flag flags,
                                    const yyjson_alc *allocator, yyjson_read_err *err)
{
    if (!allocation_fails())
        return __real_yyjson_read_opts(data, length, flags, allocator, err);
    if (err)
        *err = (yyjson_read_err){.code = YYJSON_READ_ERROR_MEMORY_ALLOCATION, .msg = "no memory"};
    return NULL;
}

// There is memory from here on: what follows is how it goes on afterwards.
static inline void memory_is_back(void)
{
    scarce_memory.is_scarce = false;
}

#define SCARCE_MOST_STEPS 5000

static inline void scarce_sweep_one(const struct scarce_row *row, bool is_once)
{
    char name[128];
    for (int step = 0; step < SCARCE_MOST_STEPS; step++) {
        scarce_memory = (struct scarce_memory){.is_scarce = true, .left = step, .is_once = is_once};
        int r = row->run();
        scarce_memory.is_scarce = false;
        snprintf(name, sizeof(name), "%s, allocation %d%s", row->name, step + 1,
                 is_once ? " alone" : "");
        if (!scarce_memory.has_failed) {
            check_int(name, r, 0);
            assert_true(step > 0);
            return;
        }
        if (!row->may_succeed || r != 0)
            check_int(name, r, -ENOMEM);
    }
    fail_msg("%s: more than %d allocations", row->name, SCARCE_MOST_STEPS);
}

// What is logged of a lack of memory is not shown.
static inline void scarce_sweep(const struct scarce_row *rows, size_t count)
{
    pt_log_set_descriptor(-1);
    for (size_t i = 0; i < count; i++) {
        scarce_sweep_one(&rows[i], false);
        scarce_sweep_one(&rows[i], true);
    }
    pt_log_set_descriptor(STDOUT_FILENO);
}

#endif
