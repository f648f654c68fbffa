# SPDX-License-Identifier: Apache-2.0
"""Writes what is rendered from the chart and committed: python3 -m tests.chart.manifest

The plain manifest for `kubectl apply`, and the chart's README by helm-docs.
"""

from __future__ import annotations

from pathlib import Path

from lab.tools import REPOSITORY
from tests.chart.helm import CHART, CONSENT, PROGRAMS, run, template

PLAIN = REPOSITORY / "deploy/pulltrace.yaml"
README = CHART / "README.md"
HEAD = """\
# Pulltrace without Helm: kubectl apply -f pulltrace.yaml
# Whoever may talk to containerd's socket is root on that node, and the agent may: docs/security.md.
# Rendered from deploy/helm/pulltrace by `scripts/lint-chart --write`; do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: pulltrace
  labels:
    # For the agent's hostPath; the server holds `restricted`.
    pod-security.kubernetes.io/enforce: privileged
"""
OF_HELM = ("helm.sh/chart:", "app.kubernetes.io/managed-by:", "# Source:")


def plain_manifest() -> str:
    text = template(CONSENT, (), CHART, "--skip-tests")
    kept = [line for line in text.splitlines() if not line.strip().startswith(OF_HELM)]
    return HEAD + "\n".join(line.rstrip() for line in kept) + "\n"


def readme() -> str:
    command = [PROGRAMS / "helm-docs", "--dry-run", "--sort-values-order", "file", "--log-level", "error"]
    return run(*command, "--chart-search-root", CHART).rstrip() + "\n"


WRITERS = {PLAIN: plain_manifest, README: readme}


def main() -> None:
    for path, written in WRITERS.items():
        Path(path).write_text(written())


if __name__ == "__main__":
    main()
