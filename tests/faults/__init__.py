# SPDX-License-Identifier: Apache-2.0
"""Faults under load: what breaks is drawn from a seed, and what is shown afterwards is held against what was so."""
