# SPDX-License-Identifier: Apache-2.0
"""The Helm chart in a real cluster of one node, with a network of pods, services and names: make test-chart"""
