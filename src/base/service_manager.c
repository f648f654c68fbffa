// SPDX-License-Identifier: Apache-2.0
#include "base/service_manager.h"

#include "base/timer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct pt_service_manager {
    int fd;
    struct pt_timer *timer;
    int64_t period_ms; // between two signs of life; 0: nobody watches
};

// A path, or `@` and an abstract name (unix(7)); -1 for anything else.
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

// A whole number above 0, or 0.
static int64_t read_number(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno || *end ? 0 : number;
}

// Half of what the manager waits for, unless another process of ours is meant.
static int64_t read_period_ms(char *(*getenv_fn)(const char *name))
{
    const char *meant = getenv_fn("WATCHDOG_PID");
    if (meant && read_number(meant) != getpid())
        return 0;
    int64_t wait_us = read_number(getenv_fn("WATCHDOG_USEC"));
    int64_t period_ms = wait_us / 2000;
    return wait_us > 0 && period_ms == 0 ? 1 : period_ms;
}

// A manager that does not read, or is gone, is no trouble of ours.
static void notify(struct pt_service_manager *manager, const char *state)
{
    (void)!send(manager->fd, state, strlen(state), MSG_NOSIGNAL);
}

static void on_due(void *context)
{
    notify(context, "WATCHDOG=1");
}

struct pt_service_manager *pt_service_manager_create(struct event_base *base,
                                                     const struct pt_clock *clock,
                                                     char *(*getenv_fn)(const char *name))
{
    const char *name = getenv_fn("NOTIFY_SOCKET");
    int fd = name ? connect_to(name) : -1;
    struct pt_service_manager *manager = fd >= 0 ? calloc(1, sizeof(*manager)) : NULL;
    if (!manager) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    manager->fd = fd;
    manager->period_ms = read_period_ms(getenv_fn);
    if (manager->period_ms > 0)
        manager->timer = pt_timer_create(base, clock, on_due, manager);
    return manager;
}

void pt_service_manager_destroy(struct pt_service_manager *manager)
{
    if (!manager)
        return;
    pt_timer_destroy(manager->timer);
    close(manager->fd);
    free(manager);
}

void pt_service_manager_ready(struct pt_service_manager *manager)
{
    if (!manager)
        return;
    notify(manager, "READY=1");
    if (manager->timer)
        pt_timer_start_every(manager->timer, manager->period_ms);
}

void pt_service_manager_run_due(struct pt_service_manager *manager)
{
    if (manager && manager->timer)
        pt_timer_run_due(manager->timer);
}

void pt_service_manager_stopping(struct pt_service_manager *manager)
{
    if (manager)
        notify(manager, "STOPPING=1");
}
