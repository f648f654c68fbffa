// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull, pullMap } from '../testing/samples';
import { peersIn } from './peers';

const pull = (id: string, change: Parameters<typeof makePull>[0] = {}) =>
  makePull({ id, nodeName: 'n1', imageRef: `ghcr.io/acme/${id}:1`, bytesPerSec: 100, ...change });

const long = pull('long', { startedAt: T0 - 1000 });
const stalled = pull('stalled', { stalledSeconds: 30, bytesPerSec: 0 });
const elsewhere = pull('elsewhere', { nodeName: 'n2' });
const other = pull('other', { imageRef: 'quay.io/other:1' });
const queued = pull('queued', { phase: 'queued', bytesPerSec: 0 });
const extracting = pull('extracting', { phase: 'extracting', bytesPerSec: 0 });
const done = pull('done', { phase: 'completed', completedAt: T0 });
const peersOf = peersIn(pullMap(long, stalled, elsewhere, other, queued, extracting, done));

it.each([
  ['without itself', long, { pulls: 2, bytesPerSec: 100 }, { pulls: 2, bytesPerSec: 100 }],
  [
    'of one that fetches nothing',
    queued,
    { pulls: 3, bytesPerSec: 200 },
    { pulls: 3, bytesPerSec: 200 },
  ],
  ['elsewhere', elsewhere, { pulls: 0, bytesPerSec: 0 }, { pulls: 2, bytesPerSec: 100 }],
  ['of another registry', other, { pulls: 2, bytesPerSec: 100 }, { pulls: 0, bytesPerSec: 0 }],
] as const)('peers %s', (_, of, node, registry) => {
  expect(peersOf(of)).toMatchObject({ node, registry });
});

it('a queued pull stands behind the one that runs longest on its node', () => {
  expect(peersOf(queued).behind?.id).toBe('long');
  expect(peersOf({ ...queued, nodeName: 'n3' }).behind).toBeUndefined();
  expect(peersOf(long).behind).toBeUndefined();
});

it('a queued pull stands behind the one that the server names', () => {
  const holdUp = { kind: 'queue', since: T0, pullId: 'other' } as const;
  expect(peersOf({ ...queued, holdUp }).behind?.id).toBe('other');
  expect(peersOf({ ...queued, holdUp: { ...holdUp, pullId: 'gone' } }).behind).toBeUndefined();
});

it('knows a pull by its id, however new its figures are', () => {
  expect(peersOf({ ...long, bytesPerSec: 900 }).node).toEqual({ pulls: 2, bytesPerSec: 100 });
});
