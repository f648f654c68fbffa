// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_SHARE_SHARE_GIVE_BACK_H
#define PT_SERVER_SHARE_SHARE_GIVE_BACK_H

#include <stdbool.h>

struct pt_clock;
struct pt_loop;
struct pt_pull_store;
struct pt_share_writer;

// Gives the log what comes by no report, unless the log has it: each row that only Kubernetes knows
// as it ends; and when the log has lost something, each pull that has ended and that this server
// knows. Others may not have read it before it was lost, and who starts later finds nothing else.
// Latest reports come by themselves.
struct pt_share_give_back;

struct pt_stored_pull;

// All outlive it. NULL when out of memory.
struct pt_share_give_back *pt_share_give_back_create(struct pt_loop *loop,
                                                     const struct pt_clock *clock,
                                                     struct pt_pull_store *store,
                                                     struct pt_share_writer *writer);
void pt_share_give_back_destroy(struct pt_share_give_back *give_back);

// Begins, anew if it was under way, and goes on by itself.
void pt_share_give_back_begin(struct pt_share_give_back *give_back);

// Gives a row that has ended (pt_stored_pull_is_ended_row); as soon as it can, if it cannot now.
void pt_share_give_back_row(struct pt_share_give_back *give_back,
                            const struct pt_stored_pull *stored);

// Something was not appended, and may have been of what was given.
void pt_share_give_back_note_failure(struct pt_share_give_back *give_back);

// What was lost is being given back, or that has begun less than 30 s ago.
bool pt_share_give_back_is_recent(const struct pt_share_give_back *give_back);

#endif
