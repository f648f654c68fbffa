// SPDX-License-Identifier: Apache-2.0
#include "server/memory_budget.h"

#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CGROUP_PERCENT 80
#define NO_LIMIT_V1 (INT64_C(1) << 60) // version 1 writes the highest number of whole pages
#define PATH_SIZE 4096

// --- the cgroup ---

// Reads a file that holds a number; PT_MEMORY_WITHOUT_END for "max", or when there is none.
static int64_t read_limit(const char *path)
{
    char text[64];
    FILE *file = fopen(path, "re");
    if (!file)
        return PT_MEMORY_WITHOUT_END;
    bool has_text = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    if (!has_text || *text < '0' || *text > '9')
        return PT_MEMORY_WITHOUT_END;
    errno = 0;
    long long bytes = strtoll(text, NULL, 10);
    return errno || bytes <= 0 || bytes >= NO_LIMIT_V1 ? PT_MEMORY_WITHOUT_END : bytes;
}

// The lowest limit from the group at `path` ("/a/b", which is cut) up to the root of the hierarchy.
// In a container that root is the container's own group, whatever the path says.
static int64_t lowest_limit(const char *hierarchy, char *path, const char *file)
{
    int64_t lowest = PT_MEMORY_WITHOUT_END;
    char name[2 * PATH_SIZE];
    if (strstr(path, "/..")) // of a group outside this namespace
        *path = '\0';
    for (;;) {
        snprintf(name, sizeof(name), "%s%s/%s", hierarchy, path, file);
        int64_t limit = read_limit(name);
        if (limit < lowest)
            lowest = limit;
        char *slash = strrchr(path, '/');
        if (!slash)
            return lowest;
        *slash = '\0';
    }
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length) {
        bool begins = at == list || at[-1] == ',';
        if (begins && (at[length] == '\0' || at[length] == ','))
            return true;
    }
    return false;
}

// A line of /proc/self/cgroup: `0::/path` of version 2, `7:memory:/path` of version 1.
static int64_t limit_of_line(const char *root, char *line)
{
    char hierarchy[PATH_SIZE];
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return PT_MEMORY_WITHOUT_END;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    bool is_v2 = *controllers == '\0';
    if (!is_v2 && !has_word(controllers, "memory"))
        return PT_MEMORY_WITHOUT_END;
    snprintf(hierarchy, sizeof(hierarchy), "%s/sys/fs/cgroup%s", root, is_v2 ? "" : "/memory");
    return lowest_limit(hierarchy, path, is_v2 ? "memory.max" : "memory.limit_in_bytes");
}

int64_t pt_cgroup_memory_limit(const char *root)
{
    char line[PATH_SIZE];
    int64_t lowest = PT_MEMORY_WITHOUT_END;
    snprintf(line, sizeof(line), "%s/proc/self/cgroup", root);
    FILE *file = fopen(line, "re");
    if (!file)
        return lowest;
    while (fgets(line, sizeof(line), file)) {
        int64_t limit = limit_of_line(root, line);
        if (limit < lowest)
            lowest = limit;
    }
    fclose(file);
    return lowest;
}

// --- the division ---

static const struct {
    const char *name;
    int percent;
} parts[PT_MEMORY_PART_COUNT] = {
    [PT_MEMORY_STORE] = {"store", 45},
    [PT_MEMORY_CONNECTIONS] = {"connections", 15},
    [PT_MEMORY_STREAMS] = {"streams", 12},
    [PT_MEMORY_ANSWERS] = {"answers", 8},
};

void pt_memory_budget_init(struct pt_memory_budget *budget, int64_t given_bytes, size_t max_pulls,
                           const char *root, const struct pt_clock *clock)
{
    int64_t cgroup = given_bytes ? PT_MEMORY_WITHOUT_END : pt_cgroup_memory_limit(root);
    budget->max_bytes = given_bytes;
    budget->source = "PULLTRACE_MAX_MEMORY";
    if (!given_bytes) {
        bool has_cgroup = cgroup != PT_MEMORY_WITHOUT_END;
        budget->max_bytes = has_cgroup ? cgroup / 100 * CGROUP_PERCENT : PT_MEMORY_WITHOUT_END;
        budget->source = has_cgroup ? "cgroup" : "none";
    }
    for (size_t i = 0; i < PT_MEMORY_PART_COUNT; i++) {
        int64_t bytes = budget->max_bytes == PT_MEMORY_WITHOUT_END
                            ? PT_MEMORY_WITHOUT_END
                            : budget->max_bytes / 100 * parts[i].percent;
        int64_t usual = (int64_t)max_pulls * PT_LIMIT_USUAL_PULL_BYTES;
        if (usual < PT_LIMIT_LOWEST_STORE_BYTES)
            usual = PT_LIMIT_LOWEST_STORE_BYTES;
        if (i == PT_MEMORY_STORE && !given_bytes && usual < bytes)
            bytes = usual;
        pt_memory_share_init(&budget->shares[i], parts[i].name, bytes, clock);
    }
}
