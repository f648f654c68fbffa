// SPDX-License-Identifier: Apache-2.0
#include "containerd/places.h"

#define K3S "/run/k3s/containerd"
#define K0S "/run/k0s"
#define MICROK8S "/var/snap/microk8s/common/run"
#define USUAL "/run/containerd"

#define PLACES(root)                                                                               \
    {root K3S "/containerd.sock", "k3s, RKE2"}, {root K0S "/containerd.sock", "k0s"},              \
        {root MICROK8S "/containerd.sock", "MicroK8s"},                                            \
    {                                                                                              \
        root USUAL "/containerd.sock", "the usual one"                                             \
    }

const struct pt_place pt_places[PT_PLACE_COUNT] = {PLACES(""), PLACES("/host")};

#define DIRECTORIES(root) root K3S "," root K0S "," root MICROK8S "," root USUAL

const char pt_places_directories[] = DIRECTORIES("") ",/var/run/containerd," DIRECTORIES("/host");
