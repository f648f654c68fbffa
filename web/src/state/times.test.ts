// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import { elapsedSeconds, lateManifestSeconds, retrySeconds, waitingSince } from './times';

const failed = { phase: 'failed', error: 'no', completedAt: T0 + 1000 } as const;

it.each([
  ['a pull under way', {}, T0 + 900_000, 900],
  ['one that is over', { phase: 'completed', completedAt: T0 + 5000 }, T0 + 900_000, 5],
  ['one that failed and is waited for', { ...failed, waiting: true }, T0 + 900_000, 900],
  ['the queue before it', { ...failed, waiting: true, queuedSeconds: 60 }, T0 + 900_000, 960],
  ['one that failed and is not', { ...failed, waiting: false }, T0 + 900_000, 1],
  ['a clock behind the server’s', {}, T0 - 5000, 0],
] as const)('elapsed of %s', (_, change, now, seconds) => {
  expect(elapsedSeconds(makePull(change), now)).toBe(seconds);
});

it('a pod waits from the queue on', () => {
  expect(waitingSince(makePull({ queuedSeconds: 4 }))).toBe(T0 - 4000);
  expect(waitingSince(makePull({ phase: 'queued', queuedSeconds: 4 }))).toBe(T0);
});

it.each([
  ['resolving', 9_999, undefined],
  ['resolving', 10_000, 10],
  ['resolving', 58_400, 58],
  ['downloading', 58_400, undefined],
] as const)('%s for %i ms: the manifest is late by %s', (phase, ms, seconds) => {
  expect(lateManifestSeconds(makePull({ phase }), T0 + ms)).toBe(seconds);
});

it('retries in whole seconds, and not in the past', () => {
  expect(retrySeconds(makePull({ nextAttemptAt: T0 + 1500 }), T0)).toBe(2);
  expect(retrySeconds(makePull({ nextAttemptAt: T0 }), T0)).toBeUndefined();
  expect(retrySeconds(makePull(), T0)).toBeUndefined();
});
