module pulltrace/tests/runtimes/programs/proxy

go 1.26.0

require (
	github.com/containerd/containerd/api v1.10.0
	github.com/containerd/containerd/v2 v2.2.0
	google.golang.org/grpc v1.76.0
)
