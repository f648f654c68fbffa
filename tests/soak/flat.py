# SPDX-License-Identifier: Apache-2.0
"""Whether a series of figures grows: the median of the slopes between all pairs of its points (Theil-Sen),
with the interval that Kendall's statistic gives for it. A few wild points move neither."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Z = 3.09  # 99.8 %: of the dozen series of a run that are flat, one in forty runs would be outside


@dataclass(frozen=True)
class Slope:
    """Of the median value, a unit of time."""

    estimate: float
    lowest: float
    highest: float

    def grows_by_more_than(self, share: float) -> bool:
        """Beyond doubt it grows, and it does so by more than this."""
        return self.lowest > 0 and self.estimate > share


def slope_of(points: Sequence[tuple[float, float]]) -> Slope:
    """Of (time, value); at least three points, whose median is not 0."""
    slopes = sorted(
        (later - earlier) / (end - begin)
        for i, (begin, earlier) in enumerate(points)
        for end, later in points[i + 1 :]
        if end > begin
    )
    count = len(points)
    middle = statistics.median(value for _, value in points)
    doubt = Z * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - doubt) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + doubt) / 2))
    return Slope(
        statistics.median(slopes) / middle, slopes[low] / middle, slopes[high] / middle
    )


def by_minute(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The median of each minute; times are in seconds, and in minutes afterwards."""
    minutes: dict[int, list[float]] = {}
    for at, value in points:
        minutes.setdefault(int(at // 60), []).append(value)
    return [(float(minute), statistics.median(values)) for minute, values in sorted(minutes.items())]
