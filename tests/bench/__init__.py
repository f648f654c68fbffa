# SPDX-License-Identifier: Apache-2.0
"""Measurements for docs/performance.md, on the release build."""
