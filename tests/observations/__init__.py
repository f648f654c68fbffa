# SPDX-License-Identifier: Apache-2.0
"""Recorded observations of real pulls."""
