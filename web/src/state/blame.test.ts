// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull } from '../testing/samples';
import { BLAME_MS, troubledPulls, verdictOf } from './blame';

const pull = (nodeName: string, imageRef: string, change: Partial<Pull> = {}) =>
  makePull({ id: `${nodeName} ${imageRef}`, nodeName, imageRef, ...change });
const failed = (node: string, image: string, change: Partial<Pull> = {}) =>
  pull(node, image, { phase: 'failed', errorClass: 'network', completedAt: T0, ...change });
const gone: Partial<Pull> = { errorClass: 'not_found' };

it.each([
  ['nothing', [], 'calm', /no pull has failed/],
  [
    'one image that is not there',
    [failed('n1', 'a.io/x:9', gone), failed('n2', 'a.io/x:9', gone)],
    'image',
    /^2 troubled pulls, all of one image, a\.io\/x:9, on 2 nodes: not found$/,
  ],
  [
    'one registry, many nodes',
    [failed('n1', 'a.io/x:1'), failed('n2', 'a.io/y:1'), failed('n3', 'a.io/x:1')],
    'registry',
    /all from a\.io, on 3 nodes/,
  ],
  [
    'one node, many registries',
    [failed('n1', 'a.io/x:1'), failed('n1', 'b.io/y:1')],
    'node',
    /all on n1, from 2 registries/,
  ],
  [
    'mostly one registry',
    [1, 2, 3, 4].map((n) => failed(`n${n}`, 'a.io/x:1')).concat(failed('n9', 'b.io/z:1')),
    'registry',
    /^4 of 5 troubled pulls from a\.io/,
  ],
  ['one pull', [failed('n1', 'a.io/x:1')], 'little', /1 troubled pull on 1 node/],
  [
    'nodes and registries alike',
    [failed('n1', 'a.io/x:1'), failed('n2', 'b.io/y:1'), failed('n3', 'c.io/y:1')],
    'spread',
    /from 3 registries/,
  ],
] as const)('%s', (_, pulls, kind, words) => {
  const verdict = verdictOf(pulls);
  expect(verdict.kind).toBe(kind);
  expect(verdict.words).toMatch(words);
});

it('counts what failed in the last half hour, and what gets nothing now', () => {
  const found = troubledPulls(
    [
      failed('n1', 'a.io/late:1', { completedAt: T0 - BLAME_MS - 1 }),
      failed('n1', 'a.io/new:1'),
      failed('n1', 'a.io/own:1', { errorClass: 'rate_limited', error: 'pull QPS exceeded' }),
      pull('n1', 'a.io/dry:1', { stalledSeconds: 30 }),
      pull('n1', 'a.io/head:1', { phase: 'resolving', startedAt: T0 - 20_000 }),
      pull('n1', 'a.io/well:1'),
    ],
    T0,
  );
  expect(found.map(({ imageRef }) => imageRef)).toEqual([
    'a.io/new:1',
    'a.io/dry:1',
    'a.io/head:1',
  ]);
});
