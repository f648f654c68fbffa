// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_SERVICE_MANAGER_H
#define PT_BASE_SERVICE_MANAGER_H

#include "base/clock.h"

struct event_base;

// The service manager that has started this process, as systemd does for a unit of Type=notify. It
// gets datagrams at $NOTIFY_SOCKET
// (https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html). Where there is none, as
// in a container, all of this does nothing.
struct pt_service_manager;

// Connects to what the environment (`getenv_fn`: as getenv) names; before a seccomp filter. NULL
// where nobody wants to be notified, or when out of memory.
struct pt_service_manager *pt_service_manager_create(struct event_base *base,
                                                     const struct pt_clock *clock,
                                                     char *(*getenv_fn)(const char *name));
void pt_service_manager_destroy(struct pt_service_manager *manager);

// The process serves. From here on the loop says that it turns, at half of the watchdog's time, if
// the manager watches it ($WATCHDOG_USEC).
void pt_service_manager_ready(struct pt_service_manager *manager);

// Gives a sign of life if it is time for one, as the loop does by itself: for tests, which turn the
// hands of their clock.
void pt_service_manager_run_due(struct pt_service_manager *manager);

// An orderly end has begun.
void pt_service_manager_stopping(struct pt_service_manager *manager);

#endif
