// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import { addSample, pastSamples } from './throughput';

it('addSample keeps five minutes', () => {
  let history = addSample([], { at: T0, bytesPerSec: 5 });
  for (let index = 1; index <= 300; index++)
    history = addSample(history, { at: T0 + index * 1000, bytesPerSec: 0 });
  expect(history).toHaveLength(300);
  expect(history[0]).toEqual({ at: T0 + 1000, bytesPerSec: 0 });
});

describe('pastSamples', () => {
  const NOW = T0 + 300_000;
  const at = (second: number) => T0 + second * 1000;
  const rates = (...pulls: ReturnType<typeof makePull>[]) =>
    pastSamples(pulls, NOW).map((sample) => sample.bytesPerSec);

  it('spreads each pull over its own time', () => {
    const seen = rates(
      makePull({ startedAt: at(10), completedAt: at(20), downloadedBytes: 100, cachedBytes: 0 }),
      makePull({
        startedAt: at(15),
        completedAt: at(40),
        downloadedBytes: 70,
        cachedBytes: 20,
        downloadSeconds: 5,
      }),
    );
    expect(seen).toHaveLength(300);
    expect(seen.slice(8, 22)).toEqual([0, 0, 10, 10, 10, 10, 10, 20, 20, 20, 20, 20, 0, 0]);
  });

  it('takes those under way up to now, and those that began before only in part', () => {
    const seen = rates(
      makePull({ startedAt: at(290), downloadedBytes: 100, downloadSeconds: 8 }),
      makePull({ startedAt: at(-10), completedAt: at(10), downloadedBytes: 200 }),
    );
    expect(seen[0]).toBe(20 / 2);
    expect(seen[9]).toBe(10);
    expect(seen[10]).toBe(0);
    expect(seen[299]).toBe(10);
  });

  it('keeps the bytes of very short pulls and leaves out what came from nowhere', () => {
    const seen = rates(
      makePull({ startedAt: at(50), completedAt: at(50.2), downloadedBytes: 300 }),
      makePull({ startedAt: at(60), completedAt: at(60), downloadedBytes: 300 }),
      makePull({ startedAt: at(70), completedAt: at(80), downloadedBytes: 9, cachedBytes: 9 }),
      makePull({ startedAt: at(-900), completedAt: at(-800), downloadedBytes: 300 }),
    );
    expect(seen[50]).toBe(300);
    expect(seen.reduce((sum, rate) => sum + rate, 0)).toBe(300);
  });
});
