// SPDX-License-Identifier: Apache-2.0
#ifndef PT_CONTAINERD_CONTAINERD_API_H
#define PT_CONTAINERD_CONTAINERD_API_H

#include "base/error.h"
#include "containerd/containerd.pb-c.h"
#include "containerd/grpc_client.h"

#include <stdint.h>

struct pt_http_client;

// Typed calls to one containerd. Only calls that read exist here.
struct pt_containerd;

// The answer of a call. `message` (of the type named at the call) is NULL unless status->code is
// PT_GRPC_OK, and is borrowed for the call of this function only.
typedef void pt_containerd_answer(void *context, const struct pt_grpc_status *status,
                                  const void *message);

// Where containerd answers: the socket, and the comma-separated directories it must lie under.
// Texts are copied. Nothing is connected yet.
PT_MUST_CHECK int pt_containerd_create(struct pt_http_client *http, const char *socket_path,
                                       const char *socket_directories,
                                       struct pt_containerd **ret_containerd, struct pt_error *err);

// Cancels what is under way; not to be called from a callback of a call.
void pt_containerd_destroy(struct pt_containerd *containerd);

// The process at the other end of the newest connection, or, where its PID is not visible, a number
// below 0 that the next one does not have; 0: none yet, or not known.
int64_t pt_containerd_peer(const struct pt_containerd *containerd);

// Each starts a call; `answer` comes exactly once and later, unless the call could not be started
// (-errno) or pt_containerd_destroy ended it. The comment names the type of the answer.

// Ctrd__VersionResponse
PT_MUST_CHECK int pt_containerd_version(struct pt_containerd *containerd,
                                        pt_containerd_answer *answer, void *context,
                                        struct pt_error *err);
// Ctrd__ListNamespacesResponse
PT_MUST_CHECK int pt_containerd_list_namespaces(struct pt_containerd *containerd,
                                                pt_containerd_answer *answer, void *context,
                                                struct pt_error *err);
// Ctrd__ListLeasesResponse: those that pass the filter
// (https://pkg.go.dev/github.com/containerd/containerd/v2/pkg/filters), or all of them if it is
// NULL
PT_MUST_CHECK int pt_containerd_list_leases(struct pt_containerd *containerd, const char *namespace,
                                            const char *filter, pt_containerd_answer *answer,
                                            void *context, struct pt_error *err);
// Ctrd__ListResourcesResponse
PT_MUST_CHECK int pt_containerd_list_resources(struct pt_containerd *containerd,
                                               const char *namespace, const char *lease,
                                               pt_containerd_answer *answer, void *context,
                                               struct pt_error *err);
// Ctrd__ListStatusesResponse
PT_MUST_CHECK int pt_containerd_list_ingests(struct pt_containerd *containerd,
                                             const char *namespace, pt_containerd_answer *answer,
                                             void *context, struct pt_error *err);
// Ctrd__ContentInfoResponse
PT_MUST_CHECK int pt_containerd_content_info(struct pt_containerd *containerd,
                                             const char *namespace, const char *digest,
                                             pt_containerd_answer *answer, void *context,
                                             struct pt_error *err);
// Ctrd__GetImageResponse
PT_MUST_CHECK int pt_containerd_get_image(struct pt_containerd *containerd, const char *namespace,
                                          const char *name, pt_containerd_answer *answer,
                                          void *context, struct pt_error *err);
// Ctrd__ListImagesResponse: the records whose target is this digest, or all of them if it is NULL,
// which are up to PT_LIMIT_IMAGE_RECORDS_BYTES; PT_GRPC_TOO_LARGE if there are more
PT_MUST_CHECK int pt_containerd_list_images(struct pt_containerd *containerd, const char *namespace,
                                            const char *target_digest, pt_containerd_answer *answer,
                                            void *context, struct pt_error *err);
// Ctrd__StatSnapshotResponse
PT_MUST_CHECK int pt_containerd_stat_snapshot(struct pt_containerd *containerd,
                                              const char *namespace, const char *snapshotter,
                                              const char *key, pt_containerd_answer *answer,
                                              void *context, struct pt_error *err);
// Ctrd__UsageResponse: what is written in it, which the snapshotter may have to look through
PT_MUST_CHECK int pt_containerd_snapshot_usage(struct pt_containerd *containerd,
                                               const char *namespace, const char *snapshotter,
                                               const char *key, pt_containerd_answer *answer,
                                               void *context, struct pt_error *err);
// struct pt_buffer: the content's first `limit` bytes (0: all of it, at most
// PT_LIMIT_MANIFEST_BYTES, else the call fails)
PT_MUST_CHECK int pt_containerd_read_content(struct pt_containerd *containerd,
                                             const char *namespace, const char *digest,
                                             int64_t limit, pt_containerd_answer *answer,
                                             void *context, struct pt_error *err);

// A standing stream of the events of all namespaces on images, snapshots and content. `on_event`
// gets each one, borrowed; `on_end` comes once, when the stream has broken.
PT_MUST_CHECK int
pt_containerd_subscribe(struct pt_containerd *containerd,
                        void (*on_event)(void *context, const Ctrd__Envelope *envelope),
                        void (*on_end)(void *context, const struct pt_grpc_status *status),
                        void *context, struct pt_error *err);

// 0 for no timestamp or one out of range.
int64_t pt_containerd_time(const Ctrd__Timestamp *timestamp);

#endif
