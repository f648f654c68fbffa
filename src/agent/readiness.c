// SPDX-License-Identifier: Apache-2.0
#include "agent/readiness.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/timer.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC 0x31797264796c7470 // of this layout
#define BEAT_MS 10000
#define STALE_NS (60 * PT_NS_PER_S)
#define WHY_SIZE 160
#define NAME_SIZE 250 // of a memfd, with its NUL (memfd_create(2))
#define LOOKS 100

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U // Linux 6.3
#endif

enum peer_state { PEER_NOT_REACHED, PEER_REACHED, PEER_NOT_WANTED };

struct peer {
    uint32_t state;
    char why[WHY_SIZE]; // it is not reached
};

// What both processes see. The count is odd while the rest is written.
struct shared {
    uint64_t magic;
    _Atomic uint64_t writes;
    int64_t beat_ns; // monotonic, the same clock in both
    struct peer containerd, server;
};

struct pt_readiness {
    const struct pt_clock *clock;
    struct pt_timer *timer;
    int fd;
    struct shared *shared; // MAP_FAILED: none
};

// The same for both: what does not fit is cut.
static void make_name(const char *node_name, char name[static NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "pulltrace-agent-%s", node_name);
}

// --- the agent's side ---

static void begin_write(struct shared *shared)
{
    atomic_fetch_add_explicit(&shared->writes, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_write(struct pt_readiness *readiness)
{
    readiness->shared->beat_ns = pt_clock_monotonic_ns(readiness->clock);
    atomic_fetch_add_explicit(&readiness->shared->writes, 1, memory_order_release);
}

static void on_beat(void *context)
{
    struct pt_readiness *readiness = context;
    begin_write(readiness->shared);
    end_write(readiness);
}

static void set_peer(struct pt_readiness *readiness, struct peer *peer, const char *why)
{
    begin_write(readiness->shared);
    peer->state = why ? PEER_NOT_REACHED : PEER_REACHED;
    snprintf(peer->why, sizeof(peer->why), "%s", why ? why : "");
    end_write(readiness);
}

void pt_readiness_set_containerd(struct pt_readiness *readiness, const char *why)
{
    if (readiness)
        set_peer(readiness, &readiness->shared->containerd, why);
}

void pt_readiness_set_server(struct pt_readiness *readiness, const char *why)
{
    if (readiness)
        set_peer(readiness, &readiness->shared->server, why);
}

static int map_memory(struct pt_readiness *readiness, const char *node_name, struct pt_error *err)
{
    char name[NAME_SIZE];
    make_name(node_name, name);
    readiness->fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (readiness->fd < 0 && errno == EINVAL) // an older kernel
        readiness->fd = memfd_create(name, MFD_CLOEXEC);
    if (readiness->fd < 0 || ftruncate(readiness->fd, sizeof(struct shared)) < 0)
        return pt_error_set(err, errno, "no memory for --ready: %s", strerror(errno));
    readiness->shared =
        mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, readiness->fd, 0);
    if (readiness->shared == MAP_FAILED)
        return pt_error_set(err, errno, "no memory for --ready: %s", strerror(errno));
    return 0;
}

int pt_readiness_create(struct event_base *base, const struct pt_clock *clock,
                        const char *node_name, bool has_server, struct pt_readiness **ret_readiness,
                        struct pt_error *err)
{
    struct pt_readiness *readiness = calloc(1, sizeof(*readiness));
    if (!readiness)
        return pt_error_set(err, ENOMEM, "out of memory");
    readiness->clock = clock;
    readiness->fd = -1;
    readiness->shared = MAP_FAILED;
    int r = map_memory(readiness, node_name, err);
    if (r == 0) {
        readiness->timer = pt_timer_create(base, clock, on_beat, readiness);
        r = readiness->timer ? 0 : pt_error_set(err, ENOMEM, "out of memory");
    }
    if (r < 0) {
        pt_readiness_destroy(readiness);
        return r;
    }
    readiness->shared->magic = MAGIC;
    pt_readiness_set_containerd(readiness, "not asked yet");
    pt_readiness_set_server(readiness, "not asked yet");
    if (!has_server)
        readiness->shared->server.state = PEER_NOT_WANTED;
    pt_timer_start_every(readiness->timer, BEAT_MS);
    *ret_readiness = readiness;
    return 0;
}

void pt_readiness_destroy(struct pt_readiness *readiness)
{
    if (!readiness)
        return;
    pt_timer_destroy(readiness->timer);
    if (readiness->shared != MAP_FAILED)
        munmap(readiness->shared, sizeof(struct shared));
    if (readiness->fd >= 0)
        close(readiness->fd);
    free(readiness);
}

// --- the other process's side ---

// Copies what is shared at a moment when nobody writes. False if it is not of this layout.
static bool take_copy(const struct shared *shared, struct shared *ret)
{
    for (int look = 0; look < LOOKS; look++) {
        uint64_t before = atomic_load_explicit(&shared->writes, memory_order_acquire);
        memcpy(ret, shared, sizeof(*ret));
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 &&
            atomic_load_explicit(&shared->writes, memory_order_relaxed) == before)
            break;
    }
    ret->containerd.why[WHY_SIZE - 1] = ret->server.why[WHY_SIZE - 1] = '\0';
    return ret->magic == MAGIC;
}

static bool read_shared(int process, const char *file, struct shared *ret)
{
    int fd = openat(process, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_read = false;
    off_t size = lseek(fd, 0, SEEK_END);
    void *memory = size == (off_t)sizeof(*ret)
                       ? mmap(NULL, sizeof(*ret), PROT_READ, MAP_SHARED, fd, 0)
                       : MAP_FAILED;
    if (memory != MAP_FAILED) {
        is_read = take_copy(memory, ret);
        munmap(memory, sizeof(*ret));
    }
    close(fd);
    return is_read;
}

// Looks through the open files of a process.
static bool find_in_process(const char *pid, const char *link_target, struct shared *ret)
{
    char path[64], target[NAME_SIZE + 32];
    bool is_found = false;
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *files = opendir(path);
    struct dirent *file;
    while (files && !is_found && (file = readdir(files))) {
        ssize_t length = readlinkat(dirfd(files), file->d_name, target, sizeof(target) - 1);
        if (length <= 0)
            continue;
        target[length] = '\0';
        is_found = strcmp(target, link_target) == 0 && read_shared(dirfd(files), file->d_name, ret);
    }
    if (files)
        closedir(files);
    return is_found;
}

static bool find_agent(const char *node_name, struct shared *ret)
{
    char name[NAME_SIZE], link_target[NAME_SIZE + 32];
    bool is_found = false;
    make_name(node_name, name);
    snprintf(link_target, sizeof(link_target), "/memfd:%s (deleted)", name);
    DIR *processes = opendir("/proc");
    struct dirent *process;
    while (processes && !is_found && (process = readdir(processes)))
        is_found = isdigit((unsigned char)process->d_name[0]) &&
                   find_in_process(process->d_name, link_target, ret);
    if (processes)
        closedir(processes);
    return is_found;
}

static void print_peer(FILE *out, const char *name, const struct peer *peer)
{
    if (peer->state != PEER_NOT_REACHED) {
        fprintf(out, "%s %s", name, peer->state == PEER_REACHED ? "reached" : "none");
        return;
    }
    fprintf(out, "%s NOT reached (", name);
    pt_text_print(peer->why, out); // a peer's words
    fputc(')', out);
}

bool pt_readiness_probe(const char *node_name, const struct pt_clock *clock, FILE *out)
{
    struct shared now;
    if (!find_agent(node_name, &now)) {
        fprintf(out, "no pulltrace-agent of node %s runs here\n", node_name);
        return false;
    }
    int64_t silent_ns = pt_clock_monotonic_ns(clock) - now.beat_ns;
    if (silent_ns > STALE_NS) {
        fprintf(out, "the agent has not moved for %lld s\n", (long long)(silent_ns / PT_NS_PER_S));
        return false;
    }
    print_peer(out, "containerd", &now.containerd);
    fputs(", ", out);
    print_peer(out, "server", &now.server);
    fputc('\n', out);
    return now.containerd.state == PEER_REACHED && now.server.state != PEER_NOT_REACHED;
}
