# SPDX-License-Identifier: Apache-2.0
"""A long time under mixed load: what the programs hold and what they cost stays as it is."""
