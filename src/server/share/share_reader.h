// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_READER_H
#define PT_SERVER_SHARE_SHARE_READER_H

#include "server/share/share_entry.h"
#include "server/share/share_past.h"

#include <stddef.h>

struct pt_loop;
struct pt_clock;
struct pt_valkey_link_options;

// Reads the log that several servers share: first what there is (the finished pulls, then the
// latest report of each node), then each entry in the log's order, as it comes. Behind a broken
// connection it goes on where it was. Where entries are missing, since the log is kept for seconds
// only or Valkey has lost some, it reads all anew.
struct pt_share_reader;

enum pt_share_state {
    PT_SHARE_AWAY,    // Valkey cannot be reached
    PT_SHARE_LOADING, // what there is is being read
    PT_SHARE_BEHIND,  // what it reads is older than 5 s
    PT_SHARE_READY,   // it has come to less than 2 s from the log's end
};

enum pt_share_loss {
    PT_SHARE_LOSS_GAP, // behind the last entry that was read, and since then it was away
    PT_SHARE_LOSS_END, // the log has lost its end, or all
};

struct pt_share_reader_options {
    const struct pt_valkey_link_options *link; // its limits and callbacks are not looked at
    const char *prefix;
    int64_t (*now_ms)(void *context); // Valkey's clock
    int64_t max_finished;             // further pulls that have ended are not loaded
    pt_share_has_end_fn *has_end;     // what need not be loaded; NULL: nothing
    // An entry; while loading, the pulls that have ended and the latest reports of all nodes come
    // first. The next one comes after pt_share_reader_go_on, which may be called within; what
    // the entry borrows lives until then.
    void (*on_entry)(void *context, const struct pt_share_entry *entry);
    // `why` says what is wrong; NULL: nothing.
    void (*on_state)(void *context, enum pt_share_state state, const char *why);
    // Entries are missing that the log may have lost, and not only let go: what this server has
    // appended may be among them. Who reads too slowly all the time has missed them, and reads
    // anew.
    void (*on_lost)(void *context, enum pt_share_loss loss);
    // What could not be read, and is left out.
    void (*on_invalid)(void *context, const char *what);
    void *context;
};

// NULL when out of memory. The options' texts are borrowed for its life.
struct pt_share_reader *pt_share_reader_create(struct pt_loop *loop, const struct pt_clock *clock,
                                               const struct pt_share_reader_options *options);

// Not from within a callback.
void pt_share_reader_destroy(struct pt_share_reader *reader);

// Reads on in the next turn of the loop, after it had to wait.
void pt_share_reader_go_on(struct pt_share_reader *reader);

// How long ago it was at the log's end; 0: it is there.
int64_t pt_share_reader_lag_ms(const struct pt_share_reader *reader);

enum pt_share_state pt_share_reader_state(const struct pt_share_reader *reader);

#endif
