// SPDX-License-Identifier: Apache-2.0
import { splitImageRef } from '../lib/imageRef';
import { type Pull, fullPodName } from '../model/pull';
import { isCheck, supersedes } from './checks';
import { quantile } from './overview';
import { endedBadly, isUnderWay, isWaitedFor, statusOf } from './status';
import { imagesOf, isUnnamed } from './images';
import { type Readiness, ReadinessCount, readySeconds } from './readiness';

/** One image on its way to many nodes. */
export interface Rollout {
  readonly reference: string;
  /** Of its index or manifest; undefined as long as no node knows it. */
  readonly digest: string | undefined;
  readonly nodes: number;
  readonly done: number;
  readonly active: number;
  readonly queued: number;
  readonly failed: number;
  readonly waitingPods: number;
  readonly bytesPerSec: number;
  readonly sizeBytes: number;
  /** The node that will be ready last, among those under way. */
  readonly slowest: Pull | undefined;
  readonly ready: Readiness;
  readonly startedAt: number;
  /** The newest of each node. */
  readonly pulls: readonly Pull[];
  /** What was rolled out of the same repository before. */
  readonly previous: Previous | undefined;
}

export interface Previous {
  /** `:1.2` or `@sha256:…` */
  readonly version: string;
  readonly nodes: number;
  readonly medianSeconds: number | undefined;
}

/** Images still under way first, those that began last on top. */
export function rolloutsOf(pulls: ReadonlyMap<string, Pull>): Rollout[] {
  const images = imagesOf(pulls.values());
  const newest = new Map<string, Map<string, Pull>>();
  for (const pull of pulls.values()) {
    if (isCheck(pull) && isUnderWay(statusOf(pull))) continue; // it may be there already
    const key = images.keyOf(pull);
    let byNode = newest.get(key);
    if (byNode === undefined) newest.set(key, (byNode = new Map<string, Pull>()));
    const known = byNode.get(pull.nodeName);
    // A node that pulled the image again counts once, by its newest pull.
    if (known === undefined || supersedes(pull, known)) byNode.set(pull.nodeName, pull);
  }
  const rollouts: Omit<Rollout, 'previous'>[] = [];
  for (const [key, byNode] of newest) {
    const reference = images.nameOf(key);
    if (isUnnamed(reference)) continue;
    const digest = key === reference ? undefined : key;
    rollouts.push({ reference, digest, ...sumOf([...byNode.values()]) });
  }
  const under = (rollout: Omit<Rollout, 'previous'>) => rollout.active + rollout.queued > 0;
  rollouts.sort((a, b) => Number(under(b)) - Number(under(a)) || b.startedAt - a.startedAt);
  return withPrevious(rollouts);
}

/** Gives each the one of the same repository that began last before it. */
function withPrevious(rollouts: readonly Omit<Rollout, 'previous'>[]): Rollout[] {
  const byRepository = new Map<string, Omit<Rollout, 'previous'>[]>();
  for (const rollout of rollouts) {
    const name = repositoryOf(rollout.reference);
    const known = byRepository.get(name);
    if (known === undefined) byRepository.set(name, [rollout]);
    else known.push(rollout);
  }
  return rollouts.map((rollout) => {
    let before: Omit<Rollout, 'previous'> | undefined;
    for (const other of byRepository.get(repositoryOf(rollout.reference)) ?? []) {
      if (other.startedAt >= rollout.startedAt || other.reference === rollout.reference) continue;
      if (before === undefined || other.startedAt > before.startedAt) before = other;
    }
    return { ...rollout, previous: before && previousOf(before) };
  });
}

function repositoryOf(reference: string): string {
  const { registry, repository } = splitImageRef(reference);
  return `${registry}/${repository}`;
}

function previousOf({ reference, nodes, pulls }: Omit<Rollout, 'previous'>): Previous {
  const seconds = pulls
    .filter((pull) => statusOf(pull) === 'completed' && !isCheck(pull))
    .map(({ startedAt, completedAt = startedAt }) => (completedAt - startedAt) / 1000)
    .sort((a, b) => a - b);
  const { version } = splitImageRef(reference);
  return { version, nodes, medianSeconds: quantile(seconds, 0.5) };
}

function sumOf(pulls: readonly Pull[]): Omit<Rollout, 'reference' | 'digest' | 'previous'> {
  let nodes = 0;
  let done = 0;
  let active = 0;
  let queued = 0;
  let failed = 0;
  let bytesPerSec = 0;
  let sizeBytes = 0;
  let startedAt = Infinity;
  let slowest: Pull | undefined;
  const ready = new ReadinessCount();
  const waiting = new Set<string>();
  for (const pull of pulls) {
    nodes++;
    ready.add(pull);
    startedAt = Math.min(startedAt, pull.startedAt);
    sizeBytes = Math.max(sizeBytes, pull.totalBytes);
    const status = statusOf(pull);
    if (status === 'completed') done++;
    if (isWaitedFor(pull)) {
      for (const pod of pull.pods) waiting.add(fullPodName(pod));
    }
    if (endedBadly(status)) failed++;
    if (!isUnderWay(status)) continue;
    if (status === 'queued') queued++;
    else active++;
    bytesPerSec += pull.bytesPerSec;
    if (slowest === undefined || slower(pull, slowest)) slowest = pull;
  }
  return {
    nodes,
    done,
    active,
    queued,
    failed,
    waitingPods: waiting.size,
    bytesPerSec,
    sizeBytes,
    slowest,
    ready: ready.result(),
    startedAt,
    pulls,
  };
}

/** Without an estimate nobody knows when: that is the slowest of all. */
function slower(a: Pull, b: Pull): boolean {
  const left = readySeconds(a) ?? Infinity;
  const right = readySeconds(b) ?? Infinity;
  return left === right ? a.percent < b.percent : left > right;
}
