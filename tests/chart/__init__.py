# SPDX-License-Identifier: Apache-2.0
"""The Helm chart: what it renders, and in installed/ what that does in a real cluster."""
