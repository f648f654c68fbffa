// SPDX-License-Identifier: Apache-2.0
#ifndef PT_BASE_RHYTHM_H
#define PT_BASE_RHYTHM_H

// The rhythm of looks and reports, all of it, in milliseconds: what the agent does by itself, and
// what it has agreed on with the server.

// --- reports: agent and server ---

// The server refuses a node's report (429) that comes sooner after the last one it took. A report
// may announce a shorter interval: then half of that, but never less than the shortest distance.
#define PT_REPORT_DISTANCE_MS 500
#define PT_REPORT_SHORTEST_DISTANCE_MS 100

// The agent keeps this distance when it has announced no shorter interval: the server's, and what a
// report's way may differ from the last one's. It is also the shortest interval that can be set.
#define PT_REPORT_NEWS_MS (PT_REPORT_DISTANCE_MS + 100)

// While it reports faster than that for a pull that is fast, this is enough for news, which
// announce an interval that allows it.
#define PT_REPORT_SOON_MS (PT_REPORT_SHORTEST_DISTANCE_MS + 50)

// An agent with nothing to report does so this often. The server of a very large cluster asks for
// longer intervals, so that it gets about so many of them a second, as far as the longest allows.
#define PT_REPORT_HEARTBEAT_MS 10000
#define PT_REPORT_LONGEST_HEARTBEAT_MS 45000
#define PT_REPORT_HEARTBEATS_PER_SECOND 3000
#define PT_REPORT_HEARTBEAT_HEADER "Pulltrace-Heartbeat" // of the answer: what it asks for, in s

// It is silent for the server when it has not reported for so long, nor for so many intervals:
// those that it announces, or the heartbeat's that it was asked for when it had nothing under way.
#define PT_REPORT_SILENT_MS (3 * PT_REPORT_HEARTBEAT_MS)
#define PT_REPORT_SILENT_INTERVALS 3

// When the server has run for so long it knows which nodes have no agent.
#define PT_REPORT_AGENTS_KNOWN_MS (PT_REPORT_LONGEST_HEARTBEAT_MS + 5000)

// --- reports: the agent alone ---

// A server that takes longer than this for a report that came faster than usual has much to do: it
// gets no report sooner than PT_REPORT_NEWS_MS for a while.
#define PT_REPORT_SLOW_ANSWER_MS 250
#define PT_REPORT_CALM_MS 30000
// When a report was not taken the next attempt waits so long, then twice as long, up to the last.
#define PT_REPORT_FIRST_RETRY_MS 1000
#define PT_REPORT_LAST_RETRY_MS 8000
#define PT_REPORT_LONGEST_RETRY_AFTER_MS 60000 // of what the server may ask for
// When the observation that a report is due for does not come, the report goes out without it.
#define PT_REPORT_STAND_IN_MS 500

// --- looks at the runtime: the agent alone ---

#define PT_LOOK_RETRY_MS 1000   // after it did not answer
#define PT_LOOK_GAP_MS 50       // between two looks, whatever wakes the agent
#define PT_LOOK_BUSY_GAP_MS 250 // the same for what can wait while something is being pulled
#define PT_LOOK_EAGER_MS                                                                           \
    150 // after an image record was written, since its lease is about to go ...
#define PT_LOOK_EAGER_FOR_MS 1000 // ... and how long so
#define PT_LOOK_YOUNG_MS 30       // while a lease may yet show as a pull, or fail as one
#define PT_LOOK_PACE_MS 250       // the shortest interval, however fast a pull moves
#define PT_LOOK_MS_PER_LAYER 1    // what a look costs grows with the layers: so does the interval

#endif
