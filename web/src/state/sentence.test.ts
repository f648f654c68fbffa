// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePod, makePull } from '../testing/samples';
import type { Peers } from './peers';
import { sentenceOf } from './sentence';

const MB = 1024 * 1024;
const NOW = T0 + 65_000;
const web = [makePod('web-0')];
const NONE: Peers = {
  behind: undefined,
  node: { pulls: 0, bytesPerSec: 0 },
  registry: { pulls: 0, bytesPerSec: 0 },
};
const redis = { imageRef: 'docker.io/library/redis:8.2', nodeName: 'n9' };
const ledger = makePull({
  id: 'ledger',
  imageRef: 'harbor.corp.lan/payments/ledger:4',
  stalledSeconds: 34,
  bytesPerSec: 0,
  percent: 26,
});
const failed = { phase: 'failed', completedAt: T0 + 1000, errorClass: 'not_found' } as const;

it.each([
  [
    'queued behind what stalls',
    { ...redis, phase: 'queued', pods: web },
    { behind: ledger, node: { pulls: 2, bytesPerSec: 48 * MB } },
    'shop/web-0 waits for redis:8.2, which has been queued on n9 for 1m 05s behind payments/ledger:4, which has received no data from harbor.corp.lan for 34s, at 26%; the node’s 2 other pulls run at 48.0 MB/s in total.',
  ],
  [
    'queued, nobody knows behind whom',
    { ...redis, phase: 'queued' },
    {},
    'redis:8.2 has been queued on n9 for 1m 05s.',
  ],
  [
    'mounted remotely',
    {
      ...redis,
      phase: 'completed',
      completedAt: T0 + 2000,
      cachedBytes: 88 * MB,
      remoteBytes: 88 * MB,
      bytesFetched: 12 * MB,
    },
    {},
    'redis:8.2 was mounted, with 12.0 MB fetched and 88.0 MB left on demand, on n9 in 2s.',
  ],
  [
    'resolving',
    {
      ...redis,
      phase: 'resolving',
      bytesPerSec: 0,
      pods: [makePod('a'), makePod('b'), makePod('c'), makePod('a')],
    },
    { registry: { pulls: 3, bytesPerSec: 0 } },
    'shop/a and 2 more pods wait for redis:8.2, which has waited on n9 for 1m 05s for its manifest from docker.io; docker.io’s 3 other pulls get nothing either.',
  ],
  [
    'downloading',
    { ...redis, pods: web, readyEtaSeconds: 12 },
    { node: { pulls: 1, bytesPerSec: 5 * MB }, registry: { pulls: 2, bytesPerSec: 7 * MB } },
    'shop/web-0 waits for redis:8.2, which has been downloading on n9 for 1m 05s at 10.0 MB/s, 50% so far, ready in 12s; the node’s other pull runs at 5.0 MB/s; docker.io’s 2 other pulls run at 7.0 MB/s in total.',
  ],
  [
    'stalled alone',
    { ...redis, pods: web, stalledSeconds: 34, bytesPerSec: 0 },
    { node: { pulls: 1, bytesPerSec: 0 }, registry: { pulls: 9, bytesPerSec: 90 * MB } },
    'shop/web-0 waits for redis:8.2, which has received no data on n9 from docker.io for 34s, at 50%; the node’s other pull gets nothing either; docker.io’s 9 other pulls run at 90.0 MB/s in total.',
  ],
  [
    'stalled since the server’s time',
    { ...redis, stalledSeconds: 11, holdUp: { kind: 'no_bytes', since: T0 } },
    {},
    'redis:8.2 has received no data on n9 from docker.io for 1m 05s, at 50%.',
  ],
  [
    'slow',
    {
      ...redis,
      holdUp: { kind: 'slow', since: T0, nodeBytesPerSec: 0, registryBytesPerSec: 80 * MB },
    },
    { node: { pulls: 4, bytesPerSec: MB } },
    'redis:8.2 has been downloading on n9 for 1m 05s at 10.0 MB/s, 50% so far; that is slow; docker.io’s other pulls get 80.0 MB/s each.',
  ],
  [
    'on a node that fell silent',
    { ...redis, pods: web, holdUp: { kind: 'node_silent', since: T0 + 20_000 } },
    { registry: { pulls: 3, bytesPerSec: MB } },
    'shop/web-0 waits for redis:8.2, which was at 50% on n9 when the node fell silent, 45s ago.',
  ],
  [
    'resolving on a node that fell silent',
    { ...redis, phase: 'resolving', holdUp: { kind: 'node_silent', since: T0 + 20_000 } },
    {},
    'redis:8.2 was resolving on n9 when the node fell silent, 45s ago.',
  ],
  [
    'on a node without an agent',
    { ...redis, pods: web, bytesPerSec: 0, holdUp: { kind: 'agent_missing', since: T0 } },
    { registry: { pulls: 3, bytesPerSec: MB } },
    'shop/web-0 waits for redis:8.2, which has been pulled on n9 for 1m 05s, where no agent reports how far it is.',
  ],
  [
    'extracting',
    { ...redis, phase: 'extracting', readyEtaSeconds: 5 },
    { node: { pulls: 4, bytesPerSec: MB } },
    'redis:8.2 is downloaded on n9 and being extracted, ready in 5s.',
  ],
  [
    'failed, and tried again',
    { ...redis, ...failed, pods: web, attempts: 7, nextAttemptAt: NOW + 160_000 },
    { registry: { pulls: 1, bytesPerSec: MB } },
    'shop/web-0 waits for redis:8.2, which could not be pulled on n9: not found, 7 attempts in 1m 05s, the next in 2m 40s; docker.io’s other pull runs at 1.0 MB/s.',
  ],
  [
    'failed, nobody waits any more',
    { ...redis, ...failed, errorClass: 'other', error: 'no', pods: web, waiting: false },
    {},
    'shop/web-0 waited for redis:8.2, which could not be pulled on n9: no, 1 attempt.',
  ],
  [
    'failed, without any words',
    { ...redis, ...failed, errorClass: undefined },
    {},
    'redis:8.2 could not be pulled on n9: failed, 1 attempt.',
  ],
  [
    'stale',
    { ...redis, phase: 'failed', errorClass: 'stale', staleReason: 'silent' },
    {},
    'redis:8.2 ended on n9, outcome unknown: node went silent.',
  ],
  [
    'completed',
    { ...redis, phase: 'completed', completedAt: T0 + 41_000, pods: web },
    { node: { pulls: 4, bytesPerSec: MB } },
    'shop/web-0 waited for redis:8.2, which was pulled on n9 in 41s.',
  ],
  [
    'without a name',
    { imageRef: '__pulling__', nodeName: 'n9', phase: 'resolving' },
    {},
    'an image whose name is not known yet has waited on n9 for 1m 05s for its manifest from its registry.',
  ],
] as const)('%s', (_, change, peers, sentence) => {
  const words = sentenceOf(makePull(change), { ...NONE, ...peers }, NOW);
  expect(words).toBe(sentence.replace(/^an image/, 'An image'));
});
