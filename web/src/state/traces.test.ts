// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makeNode, makePull } from '../testing/samples';
import { sum, tracesOfNodes, tracesOfPulls, tracesOfRegistries } from './traces';

const MIN = 60_000;
const MB = 1024 * 1024;
const byNode = (...pulls: Partial<Pull>[]) =>
  tracesOfPulls(
    pulls.map((change, index) => makePull({ id: String(index), ...change })),
    ({ nodeName }) => nodeName,
    T0,
  );

it('spreads the bytes of a pull over the time of its download', () => {
  const [trace] = byNode({
    startedAt: T0 - 10 * MIN,
    completedAt: T0 - 5 * MIN,
    phase: 'completed',
    bytesFetched: 300 * MB,
  });
  const speeds = trace?.history.bytesPerSec ?? [];
  expect(speeds).toHaveLength(60);
  expect(sum(speeds) * 30).toBeCloseTo(300 * MB, -1);
  expect(speeds.findIndex((speed) => speed > 0)).toBe(39);
  expect(speeds[59]).toBe(0);
});

it('has each failure in its half minute, and a stall since it began', () => {
  const [trace] = byNode(
    { phase: 'failed', completedAt: T0 - 29.9 * MIN, startedAt: T0 - 30 * MIN },
    { phase: 'failed', completedAt: T0, startedAt: T0 - MIN },
    { stalledSeconds: 65, bytesPerSec: 0 },
  );
  expect(
    trace?.history.failed.map((count, at) => (count > 0 ? at : -1)).filter((at) => at >= 0),
  ).toEqual([0, 59]);
  expect(trace?.history.stalledPulls.slice(55)).toEqual([0, 0, 1, 1, 1]);
  expect(trace).toMatchObject({ stalledPulls: 1, activePulls: 1 });
});

it('leaves out what ended before, and puts the worst first', () => {
  const traces = byNode(
    { nodeName: 'old', phase: 'failed', completedAt: T0 - 31 * MIN, startedAt: T0 - 32 * MIN },
    { nodeName: 'well', startedAt: T0 - MIN },
    { nodeName: 'ill', phase: 'failed', completedAt: T0, startedAt: T0 - MIN },
  );
  expect(traces.map(({ name }) => name)).toEqual(['ill', 'well']);
});

it('takes the server’s own figures of the nodes that had trouble, if it keeps any', () => {
  const none = { bytesPerSec: [], stalledPulls: [], failed: [] };
  const nodes = [
    makeNode({ nodeName: 'well', history: { ...none, bytesPerSec: [5, 5] } }),
    makeNode({ nodeName: 'ill', history: { ...none, failed: [0, 2] } }),
    makeNode({ nodeName: 'dry', history: none }),
    makeNode({ nodeName: 'idle' }),
  ];
  const traces = tracesOfNodes(nodes, [makePull({ nodeName: 'dry' })]);
  expect(traces?.map(({ name, stalledPulls }) => [name, stalledPulls])).toEqual([
    ['ill', 0],
    ['dry', 1],
  ]);
  expect(tracesOfNodes([makeNode()], [])).toBeUndefined();
});

it('takes the server’s own figures of registries', () => {
  const history = { bytesPerSec: [1, 2], stalledPulls: [0, 0], failed: [0, 0] };
  const base = { activePulls: 1, stalledPulls: 0, bytesPerSec: 2, medianBytesPerSec: 2, history };
  const traces = tracesOfRegistries([
    { ...base, registry: 'well.io' },
    { ...base, registry: 'ill.io', history: { ...history, failed: [1, 0] } },
  ]);
  expect(traces.map(({ name }) => name)).toEqual(['ill.io', 'well.io']);
});
