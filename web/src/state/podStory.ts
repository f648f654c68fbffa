// SPDX-License-Identifier: Apache-2.0
import { formatDuration, formatPercent, secondsSince } from '../lib/format';
import type { Container, PodStory } from '../model/pod';
import type { Pull } from '../model/pull';
import { isUnnamed } from './images';
import { ReadinessCount } from './readiness';
import { isUnderWay, isWaitedFor, statusOf, whatHappened } from './status';
import { waitingSince } from './times';

/** A pod as far as its pulls show: for a server that keeps no story of it. */
export function storyFromPulls(name: string, pulls: Iterable<Pull>): PodStory | undefined {
  const [namespace = '', podName = ''] = name.split('/');
  const mine = [...pulls]
    .filter(({ pods }) =>
      pods.some((pod) => pod.namespace === namespace && pod.podName === podName),
    )
    .sort((a, b) => a.startedAt - b.startedAt);
  const [first] = mine;
  if (first === undefined) return undefined;
  const byContainer = new Map<string, Container>();
  const newest = new Map<string, Pull>();
  for (const pull of mine) {
    for (const pod of pull.pods) {
      if (pod.namespace !== namespace || pod.podName !== podName) continue;
      newest.set(pod.container, pull);
      byContainer.set(pod.container, {
        name: pod.container,
        kind: 'main',
        image: pod.image ?? (isUnnamed(pull.imageRef) ? '' : pull.imageRef),
        state: stateOf(pull),
        pullId: pull.id,
      });
    }
  }
  const ready = new ReadinessCount();
  const last = [...newest.values()];
  for (const pull of last) ready.add(pull);
  const { seconds, unknown } = ready.result();
  const waits = last.filter(isWaitedFor);
  return {
    namespace,
    podName,
    nodeName: first.nodeName,
    waiting: waits.length > 0,
    waitingSince: waits.length > 0 ? Math.min(...waits.map(waitingSince)) : undefined,
    readyEtaSeconds: unknown > 0 ? undefined : seconds,
    containers: [...byContainer.values()],
  };
}

function stateOf(pull: Pull): Container['state'] {
  const status = statusOf(pull);
  if (isUnderWay(status)) return 'waiting';
  return status === 'completed' ? 'ready' : 'failed';
}

/** What one container's image is about, in a few words. */
export function containerWords(container: Container, pull: Pull | undefined, now: number): string {
  const { state, holdUp } = container;
  if (state === 'started') return 'started';
  if (state === 'ready') return 'image present';
  const since =
    holdUp === undefined ? '' : ` for ${formatDuration(secondsSince(holdUp.since, now))}`;
  if (state === 'failed') {
    return pull === undefined ? 'failed' : whatHappened(pull);
  }
  switch (holdUp?.kind) {
    case 'sandbox':
      return `the pod has no sandbox yet${since}`;
    case 'volume':
      return `waits for a volume${since}`;
    case 'node_silent':
      return `the node has been silent${since}`;
    case 'agent_missing':
      return 'no agent reports from the node';
    case 'queue':
      return `queued${since}`;
    case 'resolving':
      return `no manifest${since}`;
    case 'no_bytes':
      return `no data${since}`;
    case 'extracting':
      return 'extracting';
    case 'slow':
      return `slow, ${formatPercent(pull?.percent ?? 0)}`;
    default:
      return pull === undefined || !isUnderWay(statusOf(pull))
        ? 'waiting'
        : `${statusOf(pull)} ${pull.totalBytes > 0 ? formatPercent(pull.percent) : ''}`.trim();
  }
}

const OUTCOME_WORDS: Record<NonNullable<PodStory['outcome']>, string> = {
  ready: 'All its images are present.',
  deleted: 'It was deleted while it waited.',
  left: 'It no longer waits; nobody saw its images complete.',
};

/** The pod in one sentence: what became of it, or what it waits for first, since when, until when. */
export function podSentence(story: PodStory): string {
  if (story.outcome !== undefined) return OUTCOME_WORDS[story.outcome];
  const missing = story.containers.filter(({ state }) => state === 'waiting' || state === 'failed');
  const [first] = missing;
  if (!story.waiting || first === undefined) return 'Every known image of it is present.';
  const failed = missing.filter(({ state }) => state === 'failed');
  const count = story.containers.filter(({ kind }) => kind !== 'sandbox' && kind !== 'volume');
  const lacking = missing.filter(({ kind }) => kind !== 'sandbox' && kind !== 'volume').length;
  const what =
    lacking === 0
      ? `It waits for its ${first.kind === 'volume' ? 'volume' : 'sandbox'}`
      : `${lacking} of ${count.length} images ${lacking === 1 ? 'is' : 'are'} missing`;
  if (failed.length > 0) {
    return `${what}; ${failed.map(({ name }) => name).join(', ')} could not be pulled.`;
  }
  const seconds = story.readyEtaSeconds;
  const end =
    seconds === undefined
      ? 'the time left is unknown'
      : `all present in ${formatDuration(Math.max(1, seconds))}`;
  return `${what}; ${end}.`;
}
