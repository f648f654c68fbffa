// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { formatReadiness } from '../lib/format';
import { makePull } from '../testing/samples';
import { ReadinessCount } from './readiness';

const done = { phase: 'completed' } as const;
const failed = { phase: 'failed', error: 'no' } as const;
const known = (readyEtaSeconds: number) => ({ readyEtaSeconds });
const stalled = { stalledSeconds: 57, readyEtaSeconds: 1 };
const queued = { phase: 'queued' } as const;

it.each([
  ['', []],
  ['', [done]],
  ['all ready in 42s', [known(7), known(42), done]],
  ['1 unknown', [stalled]],
  ['50% ready in 42s, 2 unknown', [known(42), stalled, queued, done]],
  ['50% ready in 42s', [known(42), failed]],
  ['90% ready in 8s, 1 unknown', [...[1, 2, 3, 4, 5, 6, 7, 8].map(known), done, stalled]],
  ['90% ready in 9s', [...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(known), failed]],
])('says “%s”', (words, changes) => {
  const count = new ReadinessCount();
  for (const change of changes) count.add(makePull(change));
  expect(formatReadiness(count.result())).toBe(words);
});
