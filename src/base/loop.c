// SPDX-License-Identifier: Apache-2.0
#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct pt_loop {
    struct event_base *base;
    struct event *signals[2];
    void (*on_stop)(void *context);
    void *context;
    bool stopping;
};

static void on_signal(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    struct pt_loop *loop = context;
    if (loop->stopping || !loop->on_stop) {
        pt_loop_stop(loop);
        return;
    }
    loop->stopping = true;
    loop->on_stop(loop->context);
}

int pt_loop_create(struct pt_loop **ret_loop, struct pt_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct pt_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return pt_error_set(err, ENOMEM, "out of memory");
    signal(SIGPIPE, SIG_IGN);
    loop->base = event_base_new();
    bool ok = loop->base != NULL;
    for (size_t i = 0; ok && i < 2; i++) {
        loop->signals[i] = evsignal_new(loop->base, numbers[i], on_signal, loop);
        ok = loop->signals[i] && event_add(loop->signals[i], NULL) == 0;
    }
    if (!ok) {
        pt_loop_destroy(loop);
        return pt_error_set(err, ENOMEM, "the event loop cannot be set up");
    }
    *ret_loop = loop;
    return 0;
}

void pt_loop_destroy(struct pt_loop *loop)
{
    if (!loop)
        return;
    for (size_t i = 0; i < 2; i++) {
        if (loop->signals[i])
            event_free(loop->signals[i]);
    }
    if (loop->base)
        event_base_free(loop->base);
    free(loop);
}

struct event_base *pt_loop_base(struct pt_loop *loop)
{
    return loop->base;
}

int pt_loop_run(struct pt_loop *loop, void (*on_stop)(void *context), void *context,
                struct pt_error *err)
{
    loop->on_stop = on_stop;
    loop->context = context;
    int r = event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return r < 0 ? pt_error_set(err, EIO, "the event loop failed") : 0;
}

void pt_loop_stop(struct pt_loop *loop)
{
    event_base_loopbreak(loop->base);
}
