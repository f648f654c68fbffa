# SPDX-License-Identifier: Apache-2.0
"""How each command of the documents is known to work, or why nothing runs it.

A row is a pattern of whole commands and a proof. A new command that no row fits is a failed test, and so is a row
that fits none any more.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Here:
    """Run by tests/docs/test_commands.py, by the test of this name."""

    test: str


@dataclass(frozen=True)
class Job:
    """Make targets, each of which a job of .github/workflows runs."""


@dataclass(frozen=True)
class Text:
    """A file has this text, by which it runs the same."""

    file: str
    words: str


@dataclass(frozen=True)
class Test:
    """A test of this name in a file does the same."""

    file: str
    name: str


@dataclass(frozen=True)
class Rendered:
    """tests/chart/test_documented.py gives its arguments to `helm template`; the chart itself is installed by tests/installed."""


@dataclass(frozen=True)
class Nowhere:
    """Nothing runs it."""

    reason: str


Proof = Here | Job | Text | Test | Rendered | Nowhere

RELEASE = ".github/workflows/release.yml"
INSTALLED = "tests/installed/test_chart.py"

PROOFS: list[tuple[str, Proof]] = [
    (r"git clone \S+ && cd pulltrace", Nowhere("needs the network; a fresh clone is what CI works in")),
    (r"make (setup|build|demo|test|images|test-images|test-arm64|site)", Job()),
    (r"make release VERSION=0\.1\.0", Job()),
    (r"make run", Nowhere("watches the machine's own containerd, which no test may touch; make demo starts the same programs")),
    (r"(build/pulltrace-server &|PULLTRACE_SERVER_URL=\S+ build/pulltrace-agent)", Here("test_by_hand")),
    (r"sudo (env PULLTRACE_CONTAINERD_NAMESPACES='\*' build/)?pulltrace-agent( --watch)?", Here("test_the_agent_alone")),
    (r"curl -sN? '?http://127\.0\.0\.1:(8080/api/v1/(?!pods/)\S+|9090/metrics)", Here("test_questions")),
    (r"curl -s http://127\.0\.0\.1:8080/api/v1/pods/NAMESPACE/NAME", Test("tests/kubernetes/test_pods.py", "test_a_pod_says_what_each_container_waits_for")),
    (r"meson test -C build-asan --print-errorlogs report", Text("scripts/test", '"meson", "test", "-C"')),
    (r"PULLTRACE_BIN_DIR=build-asan \S+ -m unittest -v tests\.integration\.test_faults\.ServerComesAndGoes",
     Test("tests/integration/test_faults.py", "ServerComesAndGoes")),
    (r"(microk8s helm3|helm) install pulltrace .*", Rendered()),
    (r"sudo ctr -n k8s\.io images import dist/pulltrace-(agent|server)-0\.1\.0\.oci\.tar", Test("tests/installed/pod_network.py", "import_images")),
    (r"k3s ctr images import dist/pulltrace-(agent|server)-0\.1\.0\.oci\.tar", Nowhere("k3s is not here; tests/installed imports the same files by ctr")),
    (r"kubectl (-n|--namespace) pulltrace get pods( -o wide)?", Nowhere("shows what the tests ask the API server itself")),
    (r"kubectl -n pulltrace delete pods --all", Nowhere("tests bring the images before they install, so no pod waits for a back-off")),
    (r"kubectl apply -f deploy/pulltrace\.yaml", Test(INSTALLED, "test_by_the_plain_manifest")),
    (r"sed '\S+' deploy/pulltrace\.yaml \| kubectl apply -f -", Here("test_the_manifest_of_another_folder")),
    (r"skopeo copy --all oci-archive:\S+ docker://registry\.example\.org/\S+", Nowhere("needs a registry of the reader's own; release.yml copies the same archives so")),
    (r"helm test pulltrace -n pulltrace", Test(INSTALLED, "test_a_pull_is_live_within_a_minute_of_the_install")),
    (r"helm uninstall pulltrace -n pulltrace", Test("tests/installed/case.py", "uninstall")),
    (r"systemctl edit pulltrace-server", Test("tests/docs/test_systemd.py", "drop_in")),
    (r"export KUBECONFIG=\S+", Nowhere("names the distribution's own file")),
    (r"kubectl --namespace pulltrace create secret generic \S+ --from-file=\S+", Test("tests/installed/test_replicas.py", "make_secret")),
    (r"kubectl create namespace pulltrace", Nowhere("tests make namespaces by the API itself, before they install")),
    (r"kubectl label namespace pulltrace pod-security\S+", Nowhere("Talos is not here; test_chart.py runs the server where Pod Security is enforced")),
    (r"kubectl (-n|--namespace) pulltrace port-forward service/pulltrace 8080:80", Test(INSTALLED, "test_a_pull_is_live_within_a_minute_of_the_install")),
    (r"kubectl logs -n pulltrace deploy/pulltrace-server \| jq -r .*", Test("tests/integration/test_documents.py", "test_the_query_of_failures_finds_them")),
    (r"kubectl --namespace pulltrace (get pods --selector \S+ --field-selector spec\.nodeName=NODE|logs AGENT-POD)",
     Nowhere("names a node and a pod of the reader's own cluster")),
    (r"kubectl --namespace pulltrace exec (-it )?AGENT-POD -- pulltrace-agent --(check|watch)",
     Nowhere("names a pod of the reader's own cluster; test_the_agent_alone and test_a_single_machine run the same programs")),
    (r"kubectl create deployment big --image=\S+", Nowhere("pulls from Docker Hub; tests create pods with images of their own registry")),
    (r"kubectl --namespace pulltrace exec daemonset/pulltrace-agent -- pulltrace-agent --check",
     Nowhere("the chart's own probe execs the same program with --ready; test_installed runs --check by itself")),
    (r"helm upgrade pulltrace .*", Test(INSTALLED, "test_upgraded_from_the_commit_before_and_rolled_back")),
    (r"helm rollback pulltrace --namespace pulltrace", Test(INSTALLED, "test_upgraded_from_the_commit_before_and_rolled_back")),
    (r"sudo meson install -C build --no-rebuild", Here("test_installed")),
    (r"sudo systemctl (daemon-reload|enable --now pulltrace-server pulltrace-agent|restart pulltrace-agent)",
     Test("tests/docs/test_systemd.py", "test_both_run_and_the_agent_reports")),
    (r"printf '%s\\n' PULLTRACE_SERVER_URL=\S+ \S+ \| sudo tee /etc/default/pulltrace-agent", Here("test_a_single_machine")),
    (r"sudo pulltrace-agent --check", Here("test_a_single_machine")),
    (r"sudo install -d -m 700 /etc/pulltrace", Here("test_agents_of_other_machines")),
    (r"openssl rand -hex 32 \| sudo tee \S+ >/dev/null", Here("test_agents_of_other_machines")),
    (r"sudo openssl req -x509 .*", Here("test_agents_of_other_machines")),
    (r"cosign verify .*", Nowhere("asks GHCR and Sigstore about a release")),
    (r"gh attestation verify .*", Nowhere("asks GitHub about a release")),
    (r"sha256sum --check SHA256SUMS", Text(RELEASE, "sha256sum --check SHA256SUMS")),
    (r"scripts/describe-repository", Here("test_describing_the_repository")),
]  # fmt: skip
