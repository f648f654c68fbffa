// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makeNode, makePull } from '../testing/samples';
import { countKinds, layOutSquares, squaresOfNodes, squaresOfPulls } from './squares';

const on = (nodeName: string, change: Parameters<typeof makePull>[0] = {}) =>
  makePull({ id: `${nodeName}-pull`, nodeName, ...change });
const failed = { phase: 'failed', errorClass: 'not_found', waiting: true } as const;

it.each([
  [{ phase: 'completed', completedAt: T0 }, 'done', 'n1: done'],
  [{ readyEtaSeconds: 12 }, 'downloading', 'n1: downloading, 50%, ready in 12s'],
  [{ phase: 'resolving' }, 'downloading', 'n1: resolving, 50%'],
  [{ phase: 'extracting' }, 'extracting', 'n1: extracting, 50%'],
  [{ phase: 'queued' }, 'queued', 'n1: queued'],
  [{ stalledSeconds: 30 }, 'stalled', 'n1: stalled at 50%'],
  [failed, 'failed', 'n1: not found'],
  [{ phase: 'failed', error: 'no\n such' }, 'failed', 'n1: no such'],
  [{ phase: 'failed', errorClass: 'stale' }, 'failed', 'n1: outcome unknown'],
  [{ holdUp: { kind: 'node_silent', since: T0 } }, 'silent', 'n1: silent'],
] as const)('%j is a square “%s”', (change, kind, words) => {
  expect(squaresOfPulls([on('n1', change)], T0)).toMatchObject([
    { kind, words, pullId: 'n1-pull' },
  ]);
});

it('squares keep their places, by the nodes’ names', () => {
  const names = squaresOfPulls([on('n3'), on('n1'), on('n2')], T0).map(({ nodeName }) => nodeName);
  expect(names).toEqual(['n1', 'n2', 'n3']);
});

it('a node shows the worst of what it does now', () => {
  const nodes = [
    makeNode({ nodeName: 'busy' }),
    makeNode({ nodeName: 'idle' }),
    makeNode({ nodeName: 'gone', silent: true }),
    makeNode({ nodeName: 'bare', lastReportAt: undefined }),
  ];
  const pulls = [
    on('busy', { id: 'a' }),
    on('busy', { id: 'b', ...failed }),
    on('idle', { phase: 'completed', completedAt: T0 }),
    on('gone'),
  ];
  expect(squaresOfNodes(nodes, pulls, T0).map(({ words }) => words)).toEqual([
    'bare: without an agent, no pull',
    'busy: failed, 2 pulls',
    'gone: silent, 1 pull',
    'idle: idle, no pull',
  ]);
});

it('counts, the worst first', () => {
  const squares = squaresOfPulls([on('a'), on('b'), on('c', failed)], T0);
  expect(countKinds(squares)).toEqual([
    ['failed', 1],
    ['downloading', 2],
  ]);
});

it('five thousand squares fit a laptop’s screen', () => {
  expect(layOutSquares(5000, 1320).height).toBeLessThan(400);
  expect(layOutSquares(0, 100).height).toBe(0);
  expect(layOutSquares(3, 0).columns).toBe(1);
});
