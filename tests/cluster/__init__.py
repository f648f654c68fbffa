# SPDX-License-Identifier: Apache-2.0
"""The server and Kubernetes: a fake API server for faults, a real one for the truth."""
