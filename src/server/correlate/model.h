// SPDX-License-Identifier: Apache-2.0
#ifndef PT_SERVER_CORRELATE_MODEL_H
#define PT_SERVER_CORRELATE_MODEL_H

#include "base/buffer.h"
#include "base/map.h"
#include "pull/image_ref.h"
#include "server/correlate/correlate.h"
#include "server/correlate/gone_pods.h"
#include "server/correlate/moment.h"
#include "server/correlate/pod_order.h"

#include <sys/queue.h>

// What correlate keeps of one node; only its own files and its fuzzer include this. Times that end
// in `_at` are wall_ns, of the kubelet, the API server or an agent, or to be shown. How long ago
// this server heard of something it measures by its monotonic clock, so that setting the other one
// ends, keeps and resurrects nothing: those times end in `_ns`. 0: never.

// A container whose end is not explained stays with its pull, and a queued row stays, for so long.
#define PT_LINGER_NS (5 * PT_NS_PER_S)
// A finished pull takes in the pods that are listed late for so long.
#define PT_LATE_PODS_NS (10 * PT_NS_PER_S)
#define PT_MAX_KEPT_IMAGES 64 // of one node, for this alone
// An event whose end is never seen is forgotten.
#define PT_EVENT_TTL_NS (600 * PT_NS_PER_S)
// A container waits for its image without an event to say so: then it is shown as queued.
#define PT_QUEUED_AFTER_NS (2 * PT_NS_PER_S)
// The name of an image volume of which only an event is known: those name no container.
#define PT_UNNAMED_VOLUME "image volume"
#define PT_MAX_EVENT_PODS 256    // of one node, known by events alone
#define PT_MAX_FAILURE_EVENTS 12 // kinds of failures that are counted for one container

#define PT_MAX_CANDIDATES 64 // images that a pull without an exact name is compared with
// A node with more pulls times containers is looked at once a second, however much happens there.
#define PT_OFTEN_COMPARED (50 * PT_LIMIT_CONTAINERS_PER_NODE)

#define PT_DELETED_PODS 4096
#define PT_SANDBOX_NAME "sandbox" // of the container that stands for a pod's sandbox
#define PT_DUE_LISTS 64           // a second each; what is due later is passed over at each turn

struct correlate_node;
struct correlate_pod;

TAILQ_HEAD(correlate_containers, correlate_container);
TAILQ_HEAD(correlate_images, correlate_image);
TAILQ_HEAD(correlate_pods, correlate_pod);
TAILQ_HEAD(correlate_pulls, correlate_pull);
TAILQ_HEAD(correlate_due_list, correlate_node);

// The images of a node that differ in tag or digest only.
struct correlate_repository {
    char *name; // host without port, and path
    struct correlate_images images;
};

// A reference that containers of the node wait for.
struct correlate_image {
    TAILQ_ENTRY(correlate_image) link;
    TAILQ_ENTRY(correlate_image) repository_link;
    struct correlate_node *node;
    struct correlate_repository *repository; // NULL if it is no reference
    char *key;                               // `k` and the reference
    char *tag;                               // empty if there is none
    char *digest;                            // empty if there is none
    struct correlate_containers containers;  // by namespace, pod and name, when they came
    struct correlate_pulls running_pulls;
    struct correlate_pulls completed_pulls, failed_pulls; // by their start
    unsigned running;                                     // how many of each
    unsigned failed_count;
    unsigned released;    // of those that run: they choose anew
    unsigned users;       // containers and pulls that point to it
    int64_t checked_at;   // when the last check of it started, 0: none
    bool is_check_known;  // checked_at is what its pulls say
    uint64_t summed_at;   // node->changes when these were found, 0: not yet
    int64_t sum_failures; // of its containers
    int64_t next_attempt; // the earliest of them, 0: none

    // The row of its own, while no pull is under way.
    enum pt_pull_phase row_phase; // unknown: there is none
    struct pt_moment row_started;
    int64_t row_waits_since; // of the container that waited longest when it began
    int64_t row_ended_at;
    int64_t row_pull_ns;     // the pull alone, as the kubelet says with its end; 0: not said
    int64_t row_image_bytes; // size of the image, likewise
    int64_t row_queued_ns;   // as the kubelet says of the first container, -1: not yet
    int64_t row_failures;    // as sent last
    uint64_t row_hash;       // of what was sent last

    // Its row has ended without the image, and may yet go on.
    bool may_go_on;
    int64_t left_ns; // when the last container left it
    // Its row has ended with the image by the kubelet's word alone, then: its agent's may yet come.
    int64_t came_ns; // 0: no

    unsigned unnamed_count; // pulls without a name that may be of this image

    // The series of failed attempts; a success ends it.
    int64_t gone_failures;  // of containers that are gone
    int64_t agent_failures; // pulls that agents reported as failed
    struct pt_moment failed;
    struct pt_moment pulled;           // the kubelet or an agent said that the image has come
    struct pt_moment served;           // the agent said so
    char *served_digest;               // root of the last pull that brought it, NULL: none yet
    char *error;                       // the kubelet's words
    enum pt_failure_class error_class; // of them
    bool has_no_retry_time;
};

// The kubelet reports a failed attempt twice, by an event and in the container's state. Either may
// come first, and either may never come.
enum correlate_report {
    CORRELATE_REPORT_BOTH,
    CORRELATE_REPORT_EVENT, // the state is still to come
    CORRELATE_REPORT_STATE, // the event is still to come
};

struct correlate_container {
    TAILQ_ENTRY(correlate_container) pod_link;
    TAILQ_ENTRY(correlate_container) image_link;
    struct correlate_pod *pod;
    char *name;
    struct correlate_image *image;
    char *image_text; // as the pod names it
    enum pt_kube_container_kind kind;
    enum pt_kubelet_word word;
    int64_t since;          // wall_ns
    int64_t since_ns;       // that was heard
    int64_t given_at;       // its pod was given this image then, while it waited for another one
    int64_t turn_at;        // its turn came then, 0: as soon as it waited
    struct pt_moment heard; // that it waits
    struct pt_moment pulling;
    struct pt_moment pulled; // pulled, or found present
    struct pt_moment failed; // its last attempt
    struct pt_moment looked; // the kubelet found last that it has to wait
    int64_t ended_ns;
    int64_t queued_ns; // as the kubelet said in the end, -1: not yet
    int64_t failures;  // attempts
    enum pt_pod_end end;
    enum correlate_report report; // of the last attempt
    bool is_present; // the kubelet found its image there, and has not asked for it since
    bool is_on_turn;
    bool has_failed;
    struct {
        uint64_t event; // hash of its uid
        int64_t count;
    } failure_events[PT_MAX_FAILURE_EVENTS];
    unsigned failure_event_count;
};

enum correlate_lack {
    CORRELATE_LACKS_NOTHING,
    CORRELATE_LACKS_VOLUME,
    CORRELATE_LACKS_SANDBOX,
};

struct correlate_pod {
    TAILQ_ENTRY(correlate_pod) link;
    uint64_t number; // of all pods, in their order
    char *key;       // namespace/name
    struct correlate_node *node;
    char *uid;
    char *name_space;
    char *name;
    bool is_cached;            // the API server has listed it, it is not from an event alone
    bool has_left;             // the list: its containers run, or it is gone
    int64_t heard_ns;          // last event
    enum correlate_lack lacks; // what its last event says that it waits for before any image
    struct pt_moment held_up;
    enum pt_kube_sandbox sandbox;
    struct correlate_containers containers;
    size_t count; // of them
};

struct correlate_pull {
    TAILQ_ENTRY(correlate_pull) link; // by started_at, see is_sorted
    TAILQ_ENTRY(correlate_pull) image_link;
    TAILQ_ENTRY(correlate_pull) new_link; // while it is new
    char *key;
    char *repository;
    char *root_digest;
    char *manifest_digest;
    char *exact_ref; // normalized; NULL while the image record was not seen
    int64_t started_at;
    int64_t heard_ns; // first
    int64_t completed_at;
    int64_t final_ns; // when that was reported, 0: it runs
    bool has_failed;
    bool has_brought; // its image, as was reported
    bool is_new;      // not joined yet
    bool is_check;    // it found everything there
    bool is_nameless; // an agent's merged content, which may be anything on that node
    bool is_unnamed;  // its agent does not know yet of which repository it is
    struct correlate_image *image;
    bool is_released; // it keeps its image until it has chosen anew, but others may take it
    bool is_certain;
    bool is_toss_up; // or of another one: its tag is not shown
    int64_t joined_ns;
    struct pt_buffer shown; // the waiting containers as sent last: four texts each, with their NULs
    uint64_t hash;          // of what was sent last
};

// A pull without a name, which has no row: the image that it may be of stands for it.
struct correlate_unnamed {
    TAILQ_ENTRY(correlate_unnamed) link;
    char *key;
    struct correlate_image *image;
    int64_t heard_ns; // last
};

struct correlate_node {
    TAILQ_ENTRY(correlate_node) dirty_link;
    struct pt_correlate *correlate;
    char *name;
    struct correlate_images images;
    TAILQ_HEAD(, correlate_unnamed) unnamed;
    struct correlate_pods pods;
    struct correlate_pulls pulls, new_pulls;
    struct pt_map images_by_key, pulls_by_key;
    struct pt_map repositories; // by name
    unsigned unnamed_count;
    int64_t came_ns;      // of its images, the last one
    uint64_t nobody_asks; // since this moment: no image is on turn for such a pull
    bool pulls_at_once;   // its kubelet has pulled two images at the same time
    bool is_sorted;       // pulls stand in the order in which they started
    size_t containers;
    size_t event_pods;
    size_t waiting_pods; // that lack an image, as of the last flush
    bool is_dirty;
    uint64_t changes;  // grows with whatever happens there
    int64_t looked_ns; // when that began last
    int64_t due_ns;    // when it is to be looked at though nothing happens; INT64_MAX: not at all
    TAILQ_ENTRY(correlate_node) due_link;
    struct correlate_due_list *due_list; // NULL: in none
};

// Pods that were deleted lately: the API server still has their events.
struct correlate_deleted {
    uint64_t uids[PT_DELETED_PODS]; // hashes
    size_t next;
};

// The look at one node: first its pods, then its pulls, then the rows of its images. It may go on
// over several flushes, and whatever happens meanwhile happens between two of its steps.
struct correlate_look {
    struct correlate_node *node; // NULL: none is under way
    enum correlate_look_part {
        CORRELATE_LOOK_PODS,
        CORRELATE_LOOK_PULLS,
        CORRELATE_LOOK_ROWS,
    } part;
    struct correlate_pod *next_pod; // each NULL: there is no other
    struct correlate_pull *next_pull;
    struct correlate_image *next_image;
    size_t lacking; // pods so far that lack an image
};

struct pt_correlate {
    const struct pt_clock *clock;
    struct pt_correlate_output output;
    struct pt_map nodes;        // by name
    struct pt_map pods;         // by uid
    struct pt_map pods_by_name; // by namespace/name, the last one of a name
    struct pt_pod_order order;
    TAILQ_HEAD(, correlate_node) dirty;
    struct correlate_look look;
    size_t items;                                // that this flush has looked at
    uint64_t shortened;                          // pulls that were not compared with all containers
    struct correlate_due_list due[PT_DUE_LISTS]; // nodes by the second when they are due
    uint64_t ticked_at;                          // monotonic second of the last tick
    size_t waiting_containers;
    size_t waiting_pods; // of all nodes
    size_t max_nodes;
    uint64_t left_out_pods, left_out_nodes;
    uint64_t moments; // that were heard
    struct correlate_deleted deleted;
    struct pt_gone_pods gone;
    bool is_listing;
    char continued_key[PT_LIMIT_REFERENCE_BYTES + 2];
};

// --- model.c: making and letting go ---

// Adds the node if it is not there; NULL at the limit of nodes, which is counted, or out of memory.
struct correlate_node *pt_correlate_get_node(struct pt_correlate *correlate, const char *name);
struct correlate_pod *pt_correlate_add_pod(struct correlate_node *node, const char *uid,
                                           const char *name_space, const char *name);
void pt_correlate_free_pod(struct correlate_pod *pod);

// Keeps for readers what was seen last of the pod.
void pt_correlate_keep_pod(const struct correlate_pod *pod, int64_t now_ns);

#define PT_POD_KEY_SIZE (2 * PT_LIMIT_KUBE_NAME_BYTES + 2)
void pt_correlate_pod_key(const char *name_space, const char *name,
                          char key[static PT_POD_KEY_SIZE]);

// A pod that was deleted does not come back by an event.
void pt_correlate_note_deleted(struct pt_correlate *correlate, const char *uid);
bool pt_correlate_is_deleted(const struct pt_correlate *correlate, const char *uid);

// NULL when out of memory, or at the limit of the pod or the node.
struct correlate_container *pt_correlate_add_container(struct correlate_pod *pod, const char *name,
                                                       enum pt_kube_container_kind kind,
                                                       const char *image);
void pt_correlate_remove_container(struct correlate_container *container);
struct correlate_container *pt_correlate_find_container(struct correlate_pod *pod, const char *name,
                                                        enum pt_kube_container_kind kind);

// Whether a text names the container's image, perhaps in another form.
bool pt_correlate_is_of_image(const struct correlate_container *container, const char *text);

static inline int64_t pt_correlate_now_ns(const struct pt_correlate *correlate)
{
    return pt_clock_monotonic_ns(correlate->clock);
}

// What the wall's clock would have said then, had it always gone as it goes now.
static inline int64_t pt_correlate_wall_at(const struct pt_correlate *correlate, int64_t ns)
{
    return pt_clock_wall_ns(correlate->clock) - (pt_correlate_now_ns(correlate) - ns);
}

// What is heard now of the node's clock; of what is only heard, and happened at an unknown time.
struct pt_moment pt_correlate_at(struct pt_correlate *correlate, int64_t at);
struct pt_moment pt_correlate_now(struct pt_correlate *correlate);

// Makes *slot a copy of text, NULL empties it; false when out of memory.
bool pt_correlate_replace_text(char **slot, const char *text);

// Frees images that nothing uses and whose row cannot go on, and then a node that is empty.
void pt_correlate_drop_unused(struct correlate_node *node, int64_t now_ns);
void pt_correlate_free_node(struct correlate_node *node);

// `host/path` of a reference, the host without its port; -EINVAL if it is none.
PT_MUST_CHECK int pt_correlate_repository(const char *reference,
                                          char repository[static PT_IMAGE_REF_SIZE]);

// --- model_pulls.c: the pulls of a node, and of which image each is ---

// Adds a pull without names, NULL when out of memory.
struct correlate_pull *pt_correlate_add_pull(struct correlate_node *node, const char *key,
                                             int64_t started_at);
void pt_correlate_free_pull(struct correlate_node *node, struct correlate_pull *pull);

// Frees its names and digests alone: of one that was filled in to be compared, and never added.
void pt_correlate_free_names(struct correlate_pull *pull);

// Puts the node's pulls in the order in which they started; at work once for many new ones.
void pt_correlate_sort_pulls(struct correlate_node *node);
void pt_correlate_use_image(struct correlate_node *node, struct correlate_pull *pull,
                            struct correlate_image *image);

// The pull ended then, 0: it runs.
void pt_correlate_set_final(struct correlate_pull *pull, int64_t final_ns, bool has_failed);

// Whether it is one that fetches nothing.
void pt_correlate_set_check(struct correlate_pull *pull, bool is_check);

// When the last check of the image started, 0: there is none.
int64_t pt_correlate_checked_at(struct correlate_image *image);

// It has had its image for long enough that pods which are its own have come.
bool pt_correlate_has_settled(const struct correlate_pull *pull, int64_t now_ns);

// A pull that runs chooses anew: others may take its image before, or no longer.
void pt_correlate_set_released(struct correlate_pull *pull, bool is_released);

// --- correlate_look.c: when a node is looked at ---

// Something happened there: it is looked at in the next flush.
void pt_correlate_mark(struct correlate_node *node);

// Whether it is `at` or later; if not, the node is looked at again then. Whatever depends on time
// asks here, so that a node where nothing happens costs nothing until its next moment has come.
bool pt_correlate_has_passed(struct correlate_node *node, int64_t at_ns, int64_t now_ns);

// Likewise, by the wall's clock.
bool pt_correlate_has_come(struct correlate_node *node, int64_t at);

// What was concluded may decide for a pull or an image that was looked at before: the node is
// looked at again in a second.
void pt_correlate_look_again(struct correlate_node *node);

// A node that is let go is due no more.
void pt_correlate_unschedule(struct correlate_node *node);

// --- correlate_join.c: which image a pull is of, and who waits for it ---

// Pulls whose image is not settled yet choose anew, in the order in which they began: what one has
// taken by mistake, since an event came late, must not be lost for the one whose it is.
void pt_correlate_release_pulls(struct correlate_node *node, int64_t now_ns);

// Joins the pull anew, or lets it go when it is over.
void pt_correlate_look_at_pull(struct correlate_node *node, struct correlate_pull *pull,
                               int64_t now_ns);

// Joins this pull, and before it those that are new, so that many of them cost no more than each;
// of very many, the next look at the node joins the others.
void pt_correlate_join_pull(struct correlate_node *node, struct correlate_pull *pull,
                            int64_t now_ns);
struct correlate_choice {
    struct correlate_image *image; // NULL: none
    bool is_certain;
    bool is_toss_up; // another one speaks for itself nearly as strongly
};
struct correlate_choice pt_correlate_choose(struct correlate_node *node,
                                            const struct correlate_pull *pull);

// With how many images and containers a pull of the node is compared at a time, see
// PT_LIMIT_COMPARED_PER_NODE; and one of these is taken, if one is left.
size_t pt_correlate_share(const struct correlate_node *node);
bool pt_correlate_take_share(const struct correlate_node *node, size_t *left);

// Its names and digests do not rule out that the pull is of the image.
bool pt_correlate_matches(const struct correlate_image *image, const struct correlate_pull *pull);

// --- correlate_unnamed.c: pulls without a name ---

bool pt_correlate_is_unnamed(const struct pt_pull *reported);

// Whether the image stands for a pull without a name that was heard of lately.
bool pt_correlate_is_resolving(struct correlate_image *image, int64_t now_ns);
void pt_correlate_free_unnamed(struct correlate_unnamed *unnamed);

// The image of an unnamed pull that has a row, as far as can be guessed; NULL: none. Beyond its
// share of what is compared it stays with the one that it has.
struct correlate_image *pt_correlate_guess(struct correlate_node *node,
                                           const struct correlate_pull *pull);

// --- correlate.c: an agent's word that comes behind the kubelet's ---

// The row that it would go on in has ended by the kubelet's word on its success: it has no row
// until its own end, which then goes there.
bool pt_correlate_waits_for_end(struct correlate_node *node, const struct pt_pull *reported);

// --- correlate_waiting.c: who waits, and as it is sent ---

// The container still waits, or has ended so lately that it may belong to what runs.
bool pt_correlate_is_waiting(const struct correlate_container *container, int64_t now_ns);

// When its kubelet last asked for its image or failed to get it, by the clock of the node. A pull
// that had brought the image by then is not what it waits for.
int64_t pt_correlate_lacked_it_at(const struct correlate_container *container);

// It waits, and its image has not come as far as the kubelet says.
bool pt_correlate_lacks_image(const struct correlate_container *container);

// It has asked for its image, which has not come since.
bool pt_correlate_asks_anew(const struct correlate_container *container);

// It waits, but not for its image: that has come since, and it has not asked for it again.
bool pt_correlate_is_served(const struct correlate_container *container);

// When one that is not served began to wait; it has asked for nothing since. Where the image had
// come, that was the failure of what it asked for next, or when it was refused.
struct pt_moment pt_correlate_began_to_wait(const struct correlate_container *container);

// A container is there that lacks the image.
bool pt_correlate_is_waited_for(const struct correlate_image *image);

// A Pulling event that nothing has followed yet.
bool pt_correlate_is_outstanding(const struct correlate_container *container);

// The kubelet asked when the pull had ended, and so for another one: both times are of the node.
bool pt_correlate_asked_behind(const struct correlate_container *container,
                               const struct correlate_pull *pull);

// Its pod waits for a volume or its sandbox first: of itself none of it waits for an image.
bool pt_correlate_is_held_up(const struct correlate_pod *pod);

struct correlate_waiting {
    struct pt_waiting_container *list; // text is borrowed
    size_t count;
    size_t capacity;
};

// Appends a container; when memory runs out it is left out.
void pt_correlate_add_waiting(struct correlate_waiting *waiting,
                              const struct correlate_container *container);

// Appends what was remembered; its text belongs to `shown`.
void pt_correlate_add_shown(struct correlate_waiting *waiting, const struct pt_buffer *shown);

// Sorts by namespace, pod and container, and leaves each of them there once.
void pt_correlate_sort_waiting(struct correlate_waiting *waiting);

// Makes *shown a copy; when it does not fit, *shown stays.
void pt_correlate_remember_waiting(struct pt_buffer *shown,
                                   const struct correlate_waiting *waiting);

// --- correlate_rows.c: images without a pull ---

// The pull is of another image than it seemed, whose row waits beside its own: the two are
// exchanged, so that each image has one row still.
void pt_correlate_exchange_rows(struct correlate_node *node, const struct correlate_pull *pull,
                                struct correlate_image *seemed, struct correlate_image *is);

// Works out the image's row from what waits for it; the node is looked at again if its phase moves.
void pt_correlate_update_row(struct correlate_image *image, int64_t now_ns);

// Its row has ended without the image, so lately that it goes on for who waits now.
bool pt_correlate_may_go_on(const struct correlate_image *image, int64_t now_ns);

// The kubelet's word has ended its row, and its agent's may yet come.
bool pt_correlate_awaits_agent(const struct correlate_image *image, int64_t now_ns);

// The kubelet says that it has pulled the image. Where no agent reports, and both its words come
// within one flush, the row that it asked for is shown before it ends.
void pt_correlate_show_before_end(struct correlate_image *image, int64_t now_ns);

#endif
