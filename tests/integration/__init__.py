# SPDX-License-Identifier: Apache-2.0
"""Real pulls by a real containerd, watched by the real agent and server. Needs root.

PULLTRACE_BIN_DIR names the build to test; without it, build-asan.
"""
