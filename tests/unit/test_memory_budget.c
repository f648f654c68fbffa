// SPDX-License-Identifier: Apache-2.0
#include "server/memory_budget.h"

#include "check.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB (INT64_C(1) << 20)
#define NONE PT_MEMORY_WITHOUT_END
#define MAX_FILES 4

static char root[64];

static void write_file(const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof(name), "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void begin(void)
{
    snprintf(root, sizeof(root), "/tmp/pulltrace-test-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static void end(void)
{
    assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

// Of each row: what /proc/self/cgroup says, the files below /sys/fs/cgroup, and the limit.
static const struct {
    const char *name;
    const char *groups;
    const char *files[MAX_FILES][2];
    int64_t limit;
} machines[] = {
    {"no such file", NULL, {{0}}, NONE},
    {"version 2", "0::/\n", {{"/memory.max", "536870912\n"}}, 512 * MB},
    {"version 2 without a limit", "0::/\n", {{"/memory.max", "max\n"}}, NONE},
    {"version 2, not delegated", "0::/\n", {{0}}, NONE},
    {"a service's own limit",
     "0::/system.slice/p.service\n",
     {{"/system.slice/p.service/memory.max", "268435456\n"}, {"/system.slice/memory.max", "max\n"}},
     256 * MB},
    {"a limit of the slice above",
     "0::/system.slice/p.service\n",
     {{"/system.slice/p.service/memory.max", "max\n"}, {"/system.slice/memory.max", "134217728\n"}},
     128 * MB},
    {"the lowest of both",
     "0::/a/b\n",
     {{"/a/b/memory.max", "268435456\n"}, {"/a/memory.max", "134217728\n"}},
     128 * MB},
    {"a group outside the namespace", "0::/../../x\n", {{"/memory.max", "67108864\n"}}, 64 * MB},
    {"version 1",
     "5:cpu,cpuacct:/x\n4:memory:/x\n",
     {{"/memory/x/memory.limit_in_bytes", "536870912\n"}, {"/cpu/x/memory.limit_in_bytes", "1\n"}},
     512 * MB},
    {"version 1 in a container, whose path is the host's",
     "4:memory:/docker/0123\n",
     {{"/memory/memory.limit_in_bytes", "536870912\n"}},
     512 * MB},
    {"version 1 without a limit",
     "4:memory:/\n",
     {{"/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
     NONE},
    {"both, as in the hybrid layout",
     "4:memory:/x\n0::/x\n",
     {{"/memory/x/memory.limit_in_bytes", "536870912\n"}},
     512 * MB},
    {"another controller of nearly that name",
     "4:memoryx:/\n",
     {{"/memory/memory.limit_in_bytes", "536870912\n"}},
     NONE},
    {"no number", "0::/\n", {{"/memory.max", "lots\n"}}, NONE},
    {"an empty file", "0::/\n", {{"/memory.max", ""}}, NONE},
    {"nonsense", "memory\n::\n\n", {{0}}, NONE},
};

static void prepare(size_t machine)
{
    begin();
    if (machines[machine].groups)
        write_file("/proc/self/cgroup", machines[machine].groups);
    for (size_t i = 0; i < MAX_FILES && machines[machine].files[i][0]; i++) {
        char path[256];
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s", machines[machine].files[i][0]);
        write_file(path, machines[machine].files[i][1]);
    }
}

static void limits_of_cgroups_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(machines); i++) {
        prepare(i);
        check_int(machines[i].name, pt_cgroup_memory_limit(root), machines[i].limit);
        end();
    }
}

static const struct {
    const char *name;
    int64_t given;
    const char *cgroup;
    size_t max_pulls;
    int64_t max_bytes, store, connections;
    const char *source;
} budgets[] = {
    {"nothing known", 0, "max", 10000, NONE, 40960000, NONE, "none"},
    {"few pulls", 0, "max", 1, NONE, 16777216, NONE, "none"},
    {"the cgroup's", 0, "1000000000", 1000000, 800000000, 360000000, 120000000, "cgroup"},
    {"the cgroup's, for few pulls", 0, "1000000000", 10000, 800000000, 40960000, 120000000,
     "cgroup"},
    {"given", 300000000, "1000000000", 1000, 300000000, 135000000, 45000000,
     "PULLTRACE_MAX_MEMORY"},
    {"given, more than the cgroup's", 2000000000, "1000000000", 1000, 2000000000, 900000000,
     300000000, "PULLTRACE_MAX_MEMORY"},
};

static void memory_is_divided(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        struct pt_memory_budget budget;
        int64_t sum = 0;
        begin();
        write_file("/proc/self/cgroup", "0::/\n");
        write_file("/sys/fs/cgroup/memory.max", budgets[i].cgroup);
        pt_memory_budget_init(&budget, budgets[i].given, budgets[i].max_pulls, root, NULL);
        end();
        check_int(budgets[i].name, budget.max_bytes, budgets[i].max_bytes);
        check_text(budgets[i].name, budget.source, budgets[i].source);
        check_int(budgets[i].name, budget.shares[PT_MEMORY_STORE].max_bytes, budgets[i].store);
        check_int(budgets[i].name, budget.shares[PT_MEMORY_CONNECTIONS].max_bytes,
                  budgets[i].connections);
        for (size_t part = 0; part < PT_MEMORY_PART_COUNT; part++)
            sum += budget.shares[part].max_bytes / PT_MEMORY_PART_COUNT;
        assert_true(sum < budget.max_bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_cgroups_are_found),
        cmocka_unit_test(memory_is_divided),
    };
    return cmocka_run_group_tests_name("memory_budget", tests, NULL, NULL);
}
