# SPDX-License-Identifier: Apache-2.0
"""What is flat is not said to grow, however it swings, and what grows is found."""

from __future__ import annotations

import random
import unittest

from tests.soak.flat import by_minute, slope_of


def series(growth: float, noise: float, seed: int, wild: int = 0) -> list[tuple[float, float]]:
    """An hour of minutes, growing by this share an hour."""
    source = random.Random(seed)
    values = [
        100 * (1 + growth * minute / 60) * (1 + source.gauss(0, noise)) for minute in range(60)
    ]
    for _ in range(wild):
        values[source.randrange(60)] *= 5
    return [(float(minute), value) for minute, value in enumerate(values)]


class Flat(unittest.TestCase):
    def grows(self, points: list[tuple[float, float]]) -> bool:
        return slope_of([(at / 60, value) for at, value in points]).grows_by_more_than(0.02)

    def test_what_swings_does_not_grow(self) -> None:
        found = [seed for seed in range(400) if self.grows(series(0, 0.2, seed))]
        self.assertLessEqual(len(found), 4, found)

    def test_a_leak_is_found(self) -> None:
        for seed in range(50):
            with self.subTest(seed):
                self.assertTrue(self.grows(series(0.05, 0.01, seed)))
                self.assertTrue(self.grows(series(0.30, 0.05, seed, wild=5)))

    def test_what_shrinks_or_grows_by_little_is_flat(self) -> None:
        for growth in (-0.1, 0, 0.01):
            self.assertFalse(self.grows(series(growth, 0.001, 1)))

    def test_the_slope_is_the_series_own(self) -> None:
        slope = slope_of([(at / 60, value) for at, value in series(0.1, 0, 1)])
        self.assertAlmostEqual(slope.estimate, 0.1, delta=0.01)
        self.assertLessEqual(slope.lowest, slope.estimate)
        self.assertGreaterEqual(slope.highest, slope.estimate)

    def test_minutes_are_medians(self) -> None:
        points = [(0.0, 1.0), (20.0, 100.0), (40.0, 2.0), (61.0, 7.0)]
        self.assertEqual(by_minute(points), [(0.0, 2.0), (1.0, 7.0)])
