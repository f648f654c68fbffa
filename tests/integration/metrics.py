# SPDX-License-Identifier: Apache-2.0
"""What the server says at /metrics."""

from __future__ import annotations

from tests.integration.http_json import get


def metric(port: int, series: str) -> float:
    """The value of a series, with its labels as they are printed; of a name alone, the sum over all labels.

    Raises AssertionError when there is no such line.
    """
    return value_of(get(port, "/metrics").text(), series)


def value_of(text: str, series: str) -> float:
    """The same of what /metrics has answered, so that several values are of one moment."""
    lines = text.split("\n")  # a hostile label may hold what str.splitlines takes for an end
    found = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
    values = [float(value) for name, value in found if series in (name, name.split("{")[0])]
    if not values:
        raise AssertionError(f"no metric {series}")
    return sum(values)
