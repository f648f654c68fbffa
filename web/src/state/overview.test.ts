// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePod, makePull, pullMap } from '../testing/samples';
import { createOverviewSelector, pullTimes, quantile } from './overview';

it('adds up what the strip shows', () => {
  const overview = createOverviewSelector()(
    pullMap(
      makePull({ id: 'a', pods: [makePod('x'), makePod('y')] }),
      makePull({ id: 'b', pods: [makePod('y')] }),
      makePull({ id: 'c', phase: 'queued', pods: [makePod('z')] }),
      makePull({ id: 'd', phase: 'failed' }),
      makePull({ id: 'e', phase: 'failed', errorClass: 'stale' }),
      makePull({ id: 'f', phase: 'completed', completedAt: T0 + 2000, pods: [makePod('q')] }),
      makePull({ id: 'g', phase: 'completed', completedAt: T0 + 8000 }),
    ),
  );
  expect(overview).toEqual({
    active: 2,
    queued: 1,
    waitingPods: 3,
    anyPods: true,
    failed: 1,
    stale: 1,
    durations: [2, 8],
  });
});

it('knows how long pulls take without the server', () => {
  expect(pullTimes([])).toEqual([undefined, undefined]);
  expect(pullTimes([8, 2])).toEqual([2, 8]);
});

it('quantile takes the nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(quantile(values, 0.5)).toBe(50);
  expect(quantile(values, 0.95)).toBe(95);
  expect(quantile([3], 0.95)).toBe(3);
  expect(quantile([], 0.5)).toBeUndefined();
});

it('follows pods that come, go, and have what they waited for', () => {
  const select = createOverviewSelector();
  const waiting = (...pulls: ReturnType<typeof makePull>[]) =>
    select(pullMap(...pulls)).waitingPods;
  const a = makePull({ id: 'a', pods: [makePod('x'), makePod('y')] });
  const b = makePull({ id: 'b', pods: [makePod('y')] });
  expect(waiting(a, b)).toBe(2);
  expect(waiting({ ...a, pods: [makePod('y'), makePod('z'), makePod('w')] }, b)).toBe(3);
  expect(waiting({ ...a, phase: 'completed', completedAt: T0 }, b)).toBe(1);
  expect(waiting(b)).toBe(1);
  expect(waiting()).toBe(0);
});

it('does not count the pods of a failed pull that are gone', () => {
  const failed = makePull({ phase: 'failed', completedAt: T0, pods: [makePod('x'), makePod('y')] });
  const waiting = (change: object) =>
    createOverviewSelector()(pullMap({ ...failed, ...change })).waitingPods;
  expect(waiting({ waiting: true })).toBe(2);
  expect(waiting({ waiting: false })).toBe(0);
  expect(waiting({})).toBe(2); // a server that does not say
});
