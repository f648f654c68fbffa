// SPDX-License-Identifier: Apache-2.0
#include "server/memory_budget.h"
#include "source.h"

#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>

// What the kernel, or a container runtime in its place, says of the process's group and its
// limits: /proc/self/cgroup and the files that it names.

static char root[64];

static void write_file(const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s%s", root, name);
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

static void make_root(void)
{
    static const char *const folders[] = {"/proc",
                                          "/proc/self",
                                          "/sys",
                                          "/sys/fs",
                                          "/sys/fs/cgroup",
                                          "/sys/fs/cgroup/a",
                                          "/sys/fs/cgroup/memory",
                                          "/sys/fs/cgroup/memory/a"};
    snprintf(root, sizeof(root), "/dev/shm/fuzz-cgroup-XXXXXX");
    if (!mkdtemp(root))
        abort();
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s%s", root, folders[i]);
        if (mkdir(path, 0700) < 0)
            abort();
    }
}

static void remove_root(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    if (system(command) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    struct pt_memory_budget budget;
    if (!root[0]) {
        make_root();
        atexit(remove_root);
    }
    char *limit = take_text(&source, 1);
    char *inner = take_text(&source, 1);
    char *groups = take_rest(&source);
    write_file("/sys/fs/cgroup/memory.max", limit);
    write_file("/sys/fs/cgroup/a/memory.max", inner);
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
    write_file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", inner);
    write_file("/proc/self/cgroup", groups);
    assert(pt_cgroup_memory_limit(root) > 0);
    pt_memory_budget_init(&budget, 0, 1000, root, NULL);
    int64_t sum = 0;
    for (size_t i = 0; i < PT_MEMORY_PART_COUNT; i++) {
        assert(budget.shares[i].max_bytes >= 0);
        assert(budget.max_bytes == PT_MEMORY_WITHOUT_END ||
               budget.shares[i].max_bytes <= budget.max_bytes);
        sum += budget.max_bytes == PT_MEMORY_WITHOUT_END ? 0 : budget.shares[i].max_bytes;
    }
    assert(sum <= budget.max_bytes);
    free(limit);
    free(inner);
    free(groups);
    return 0;
}
