# SPDX-License-Identifier: Apache-2.0
"""Several servers that share a log of reports, while their parts are killed, frozen and cut off."""
