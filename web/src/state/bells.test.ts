// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull, pullMap } from '../testing/samples';
import { type Bell, ringOf, setBell } from './bells';

const pod = { namespace: 'shop', podName: 'web-0', container: 'app' };
const web = (change: Partial<Pull> = {}) =>
  makePull({ id: 'web', imageRef: 'acme/web:2', nodeName: 'n1', pods: [pod], ...change });
const db = (change: Partial<Pull> = {}) =>
  makePull({ id: 'db', imageRef: 'acme/db:1', nodeName: 'n2', ...change });
const done = { phase: 'completed', completedAt: T0 + 12_000 } as const;
const failed = { phase: 'failed', completedAt: T0, errorClass: 'not_found' } as const;
const ofPull: Bell = { kind: 'pull', value: 'web' };
const ofPod: Bell = { kind: 'pod', value: 'shop/web-0' };
const ofQuery: Bell = { kind: 'query', value: 'acme' };

function ring(bell: Bell, before: Pull[], after: Pull[]) {
  return ringOf(setBell(bell, pullMap(...before)), pullMap(...after), null);
}

it.each([
  ['goes on', ofPull, [web()], [web({ percent: 90 })], undefined],
  ['is ready', ofPull, [web()], [web(done)], ['Ready: acme/web:2 on n1', 'pulled in 12s']],
  [
    'fails',
    ofPull,
    [web()],
    [web(failed)],
    ['Failed: acme/web:2 on n1', 'acme/web:2 on n1: not found'],
  ],
  ['is no longer kept', ofPull, [web()], [], undefined],
  [
    'had failed and fails again',
    ofPull,
    [web({ ...failed, waiting: true })],
    [web({ ...failed, waiting: true, attempts: 3 })],
    undefined,
  ],
  [
    'had failed and is ready',
    ofPull,
    [web({ ...failed, waiting: true })],
    [web(done)],
    ['Ready: acme/web:2 on n1', 'pulled in 12s'],
  ],
  ['of a pod, has one of two', ofPod, [web()], [web(done), db({ pods: [pod] })], undefined],
  [
    'of a pod, has both',
    ofPod,
    [web()],
    [web(done), db({ ...done, pods: [pod] })],
    ['Ready: shop/web-0', '2 pulls completed'],
  ],
  ['of a search, goes on for one', ofQuery, [web(), db()], [web(done), db()], undefined],
  [
    'of a search, all are ready',
    ofQuery,
    [web(), db()],
    [web(done), db(done)],
    ['Ready: the pulls of “acme”', '2 pulls completed'],
  ],
  [
    'of a search, one fails',
    ofQuery,
    [web(), db()],
    [web(), db(failed)],
    ['Failed: the pulls of “acme”', 'acme/db:1 on n2: not found'],
  ],
  [
    'of a search, an old failure is no news',
    ofQuery,
    [web(), db(failed)],
    [web(done), db(failed)],
    ['Ready: the pulls of “acme”', 'pulled in 12s'],
  ],
] as const)('%s', (_, bell, before, after, wanted) => {
  const found = ring(bell, [...before], [...after]);
  expect(found && [found.title, found.body]).toEqual(wanted);
});

it('does not call a pod ready that the server says waits, for what has no pull yet', () => {
  const pulls = pullMap(web(done));
  const story = { namespace: 'shop', podName: 'web-0', nodeName: 'n1', waiting: true };
  const answer = { name: 'shop/web-0', story: { ...story, containers: [] }, trouble: null };
  expect(ringOf(setBell(ofPod, pulls), pulls, answer)).toBeUndefined();
});

it.each([
  [ofPull, '?open=web'],
  [ofPod, '?pod=shop/web-0'],
  [ofQuery, '?q=acme'],
] as const)('leads to %o', (bell, address) => {
  expect(ring(bell, [web()], [web(done)])?.address).toBe(address);
});
