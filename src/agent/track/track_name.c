// SPDX-License-Identifier: Apache-2.0
#include "agent/track/track_pull.h"
#include "pull/image_ref.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What a pull is called. Its root and repository are known with the first manifest, its exact name
// by a label, if snapshots have one, or else by the image record in the end.

// The exact name says the registry's port, which is no part of what containerd labels content with.
static int take_port(struct pt_pull *view)
{
    size_t length = view->image_ref_exact && view->repository
                        ? pt_image_ref_ported(view->image_ref, view->repository)
                        : 0;
    if (length == 0)
        return 0;
    char *repository = strndup(view->image_ref, length);
    if (!repository)
        return -ENOMEM;
    free((char *)view->repository);
    view->repository = repository;
    return 0;
}

static int take_repository(struct pt_pull *view, const char *repository)
{
    if (repository && view->repository && pt_repository_is_same(view->repository, repository))
        return 0;
    return pt_track_set_text(&view->repository, repository) < 0 ? -ENOMEM : take_port(view);
}

static int take_label(struct pt_track_pull *pull, const struct pt_seen_lease *lease)
{
    struct pt_pull *view = &pull->shown.pull;
    if (!lease->labelled_name || view->image_ref_exact)
        return 0;
    if (pt_track_set_text(&view->image_ref, lease->labelled_name) < 0)
        return -ENOMEM;
    view->image_ref_exact = true;
    pull->is_labelled = true;
    return take_port(view);
}

// The best name as long as the exact one is not known.
static int update_reference(struct pt_pull *view)
{
    if (view->image_ref_exact)
        return 0;
    return pt_track_set_text(&view->image_ref,
                             view->repository ? view->repository : view->root_digest);
}

int pt_track_pull_take_names(struct pt_track_pull *pull, const struct pt_seen_lease *lease)
{
    struct pt_pull *view = &pull->shown.pull;
    if (pt_track_set_text(&view->root_digest, lease->root_digest) < 0 ||
        pt_track_set_text(&view->manifest_digest, lease->manifest_digest) < 0 ||
        pt_track_set_text(&view->platform, lease->platform) < 0 ||
        take_repository(view, lease->repository) < 0 || take_label(pull, lease) < 0)
        return -ENOMEM;
    return update_reference(view);
}

bool pt_track_pull_may_be_named(const struct pt_track_pull *pull, const struct pt_seen_image *image)
{
    const struct pt_pull *view = &pull->shown.pull;
    if (pull->is_labelled && strcmp(view->image_ref, image->name) != 0)
        return false; // of another pull, or a tag that somebody sets
    return pull->named_at == 0 && view->root_digest &&
           strcmp(view->root_digest, image->target_digest) == 0 &&
           strcmp(view->containerd_namespace, image->namespace) == 0 &&
           image->written_at >= pull->created_at;
}

int pt_track_pull_is_of(const struct pt_track_pull *pull, const char *name)
{
    if (pull->is_labelled)
        return 2 * (strcmp(pull->shown.pull.image_ref, name) == 0);
    const char *repository = pull->shown.pull.repository;
    size_t length = repository ? strlen(repository) : 0;
    if (length == 0)
        return 0;
    if (strncmp(name, repository, length) != 0)
        return pt_image_ref_ported(name, repository) > 0;
    return name[length] == ':' || name[length] == '@';
}

void pt_track_pull_name(struct pt_track_pull *pull, const char *name, int64_t written_at)
{
    if (!pull->is_labelled && pt_track_set_text(&pull->shown.pull.image_ref, name) < 0)
        return;
    pull->shown.pull.image_ref_exact = true;
    (void)take_port(&pull->shown.pull); // out of memory: it stays without
    pull->named_at = written_at;
}
