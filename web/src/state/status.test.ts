// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { readPull } from '../model/pull';
import { T0, makePull, wirePull } from '../testing/samples';
import { adviceFor, errorWords, isActive, statusOf } from './status';

it.each([
  [{ phase: 'downloading' }, 'downloading'],
  [{ phase: 'downloading', stalledSeconds: 10 }, 'stalled'],
  [{ phase: 'extracting', stalledSeconds: 90 }, 'extracting'],
  [{ phase: 'queued' }, 'queued'],
  [{ phase: 'resolving' }, 'resolving'],
  [{ phase: 'completed', completedAt: T0 }, 'completed'],
  [{ phase: 'failed', error: 'no' }, 'failed'],
  [{ phase: 'failed', errorClass: 'stale' }, 'lost'],
  // A server that tells no phase.
  [{ phase: undefined }, 'downloading'],
  [{ phase: undefined, completedAt: T0 }, 'completed'],
  [{ phase: undefined, completedAt: T0, error: 'no' }, 'failed'],
] as const)('%o is %s', (change, status) => {
  expect(statusOf(makePull(change))).toBe(status);
});

it('takes the words of a later server for none', () => {
  const pull = readPull(wirePull({ phase: 'of_tomorrow', errorClass: 'of_tomorrow' }));
  expect(statusOf(pull)).toBe('downloading');
  expect(errorWords(pull.errorClass)).toBeUndefined();
});

it('active means under way', () => {
  expect(isActive('queued')).toBe(true);
  expect(isActive('stalled')).toBe(true);
  expect(isActive('failed')).toBe(false);
  expect(isActive('lost')).toBe(false);
});

it('has words and advice for classes known and unknown', () => {
  expect(errorWords('not_found')).toBe('not found');
  expect(errorWords('other')).toBeUndefined();
  expect(adviceFor('tls')).toMatch(/certificate/);
  expect(adviceFor('platform')).toMatch(/architecture/);
  expect(adviceFor('corrupt')).toMatch(/digest/);
  expect(adviceFor('rate_limited', 'toomanyrequests: slow down')).toMatch(/registry limits/);
  expect(adviceFor('rate_limited', 'pull QPS exceeded')).toMatch(/registryPullQPS/);
  expect(adviceFor(undefined)).toMatch(/kubectl describe pod/);
});
