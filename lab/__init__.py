# SPDX-License-Identifier: Apache-2.0
"""A laboratory on loopback: private containerd, registry, throttle and image maker."""
