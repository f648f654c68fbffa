// SPDX-License-Identifier: Apache-2.0

// Package proxy offers a snapshotter to containerd on a unix socket.
package proxy

import (
	"context"
	"log"
	"net"
	"os/signal"
	"strings"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
)

// Serve runs what `start` makes until SIGTERM, and closes it, so that nothing stays mounted.
// It ends the process with an error if it cannot.
func Serve(socket string, start func(context.Context) (snapshots.Snapshotter, error)) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	snapshotter, err := start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(keepNamespace))
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	context.AfterFunc(ctx, server.Stop)
	err = server.Serve(listener)
	snapshotter.Close()
	if err != nil {
		log.Fatal(err)
	}
}

// A snapshotter asks containerd back in the namespace in which it was called.
func keepNamespace(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if name, given := namespaces.Namespace(ctx); given {
		ctx = namespaces.WithNamespace(ctx, name)
	}
	return next(ctx, request)
}

// Registries makes of each "HOST=ADDRESS" an entry with what `at` makes of the address.
func Registries[Host any](pairs []string, at func(address string) Host) map[string]Host {
	hosts := make(map[string]Host, len(pairs))
	for _, pair := range pairs {
		host, address, found := strings.Cut(pair, "=")
		if !found {
			log.Fatalf("%q is not HOST=ADDRESS", pair)
		}
		hosts[host] = at(address)
	}
	return hosts
}
