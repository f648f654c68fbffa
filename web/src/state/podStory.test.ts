// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import type { Container, PodStory } from '../model/pod';
import { containerWords, podSentence, storyFromPulls } from './podStory';

const NOW = T0 + 60_000;
const ref = (container: string, podName = 'web-0') => ({ namespace: 'shop', podName, container });
const container = (change: Partial<Container> = {}): Container => ({
  name: 'app',
  kind: 'main',
  image: 'acme/web:2',
  state: 'waiting',
  ...change,
});
const story = (containers: Container[], change: Partial<PodStory> = {}): PodStory => ({
  namespace: 'shop',
  podName: 'web-0',
  nodeName: 'n1',
  waiting: true,
  containers,
  ...change,
});

it('is made of the pulls that name the pod, the newest of each container', () => {
  const old = makePull({
    id: 'old',
    pods: [ref('app')],
    phase: 'failed',
    error: 'no',
    waiting: false,
    completedAt: T0,
  });
  const app = makePull({ id: 'app', startedAt: T0 + 5000, pods: [ref('app')], readyEtaSeconds: 9 });
  const side = makePull({ id: 'side', pods: [ref('side')], phase: 'completed', completedAt: T0 });
  const other = makePull({ id: 'other', pods: [ref('app', 'web-1')] });
  expect(storyFromPulls('shop/web-0', [app, old, side, other])).toMatchObject({
    nodeName: 'worker-1',
    waiting: true,
    waitingSince: T0 + 5000,
    readyEtaSeconds: 9,
    containers: [
      { name: 'app', state: 'waiting', pullId: 'app' },
      { name: 'side', state: 'ready', pullId: 'side' },
    ],
  });
  expect(storyFromPulls('shop/none', [app])).toBeUndefined();
});

it.each([
  [{ state: 'started' }, 'started'],
  [{ state: 'ready' }, 'image present'],
  [{ holdUp: { kind: 'volume', since: T0 } }, 'waits for a volume for 1m 00s'],
  [{ holdUp: { kind: 'sandbox', since: T0 } }, 'the pod has no sandbox yet for 1m 00s'],
  [{ holdUp: { kind: 'no_bytes', since: T0 + 40_000 } }, 'no data for 20s'],
  [{ state: 'failed' }, 'failed'],
  [{}, 'waiting'],
] as const)('%j is “%s”', (change, words) => {
  expect(containerWords(container(change), undefined, NOW)).toBe(words);
});

it('a container with a pull says how far that is, or why it failed', () => {
  expect(containerWords(container(), makePull(), NOW)).toBe('downloading 50%');
  const pull = makePull({ phase: 'failed', errorClass: 'other', error: 'no lease' });
  expect(containerWords(container({ state: 'failed' }), pull, NOW)).toBe('no lease');
});

it.each([
  [
    story([container(), container({ state: 'ready' })], { readyEtaSeconds: 42 }),
    '1 of 2 images is missing; all present in 42s.',
  ],
  [story([container()]), '1 of 1 images is missing; the time left is unknown.'],
  [
    story([container({ name: 'a', state: 'failed' }), container()]),
    '2 of 2 images are missing; a could not be pulled.',
  ],
  [story([container({ kind: 'volume' })]), 'It waits for its volume; the time left is unknown.'],
  [
    story([container({ state: 'started' })], { waiting: false }),
    'Every known image of it is present.',
  ],
  [story([container()], { waiting: false, outcome: 'ready' }), 'All its images are present.'],
  [story([container()], { waiting: false, outcome: 'deleted' }), 'It was deleted while it waited.'],
])('in one sentence', (of, words) => expect(podSentence(of)).toBe(words));
