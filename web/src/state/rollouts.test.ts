// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull, pullMap } from '../testing/samples';
import { rolloutsOf } from './rollouts';
import { UNNAMED } from './images';

const web = { imageRef: 'acme/web:2' };

it('counts each node once, by its newest pull', () => {
  const [rollout] = rolloutsOf(
    pullMap(
      makePull({ ...web, id: 'a', nodeName: 'n1', phase: 'failed', error: 'no' }),
      makePull({ ...web, id: 'b', nodeName: 'n1', phase: 'completed', startedAt: T0 + 5 }),
      makePull({ ...web, id: 'c', nodeName: 'n2', readyEtaSeconds: 4, bytesPerSec: 3 }),
      makePull({ ...web, id: 'd', nodeName: 'n3', readyEtaSeconds: 9, bytesPerSec: 4 }),
      makePull({ ...web, id: 'e', nodeName: 'n4', phase: 'failed', error: 'no' }),
    ),
  );
  expect(rollout).toMatchObject({
    nodes: 4,
    done: 1,
    active: 2,
    failed: 1,
    bytesPerSec: 7,
    ready: { seconds: 9, percent: 75, unknown: 0 },
    slowest: { nodeName: 'n3' },
  });
});

it('says of how many it knows the time while that of one node is unknown', () => {
  const [rollout] = rolloutsOf(
    pullMap(
      makePull({ ...web, id: 'a', nodeName: 'n1', readyEtaSeconds: 4 }),
      makePull({ ...web, id: 'b', nodeName: 'n2', stalledSeconds: 60, readyEtaSeconds: 1 }),
    ),
  );
  expect(rollout?.ready).toEqual({ seconds: 4, percent: 50, unknown: 1 });
});

it('puts images under way first and leaves out the unnamed', () => {
  const rollouts = rolloutsOf(
    pullMap(
      makePull({ id: 'a', imageRef: 'done', phase: 'completed', startedAt: T0 + 9 }),
      makePull({ id: 'b', imageRef: 'older', startedAt: T0 }),
      makePull({ id: 'c', imageRef: 'newer', startedAt: T0 + 1 }),
      makePull({ id: 'd', imageRef: UNNAMED }),
      makePull({ id: 'e', imageRef: `sha256:${'8b1a'.repeat(16)}` }),
    ),
  );
  expect(rollouts.map((rollout) => rollout.reference)).toEqual(['newer', 'older', 'done']);
});

it('takes a name with and without tag for one image when the digest is the same', () => {
  const rollouts = rolloutsOf(
    pullMap(
      makePull({ id: 'a', nodeName: 'n1', imageRef: 'acme/web', rootDigest: 'sha256:1' }),
      makePull({ id: 'b', nodeName: 'n2', imageRef: 'acme/web:2', rootDigest: 'sha256:1' }),
      makePull({ id: 'c', nodeName: 'n3', imageRef: 'acme/web:2', error: 'never began' }),
      makePull({ id: 'd', nodeName: 'n4', imageRef: 'acme/web:3', rootDigest: 'sha256:2' }),
    ),
  );
  expect(rollouts.map(({ reference, nodes, digest }) => [reference, nodes, digest])).toEqual([
    ['acme/web:2', 3, 'sha256:1'],
    ['acme/web:3', 1, 'sha256:2'],
  ]);
});
