// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { isCheck, supersedes } from './checks';
import { isUnderWay, isWaitedFor, statusOf } from './status';
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
  const rollouts: Rollout[] = [];
  for (const [key, byNode] of newest) {
    const reference = images.nameOf(key);
    if (isUnnamed(reference)) continue;
    const digest = key === reference ? undefined : key;
    rollouts.push({ reference, digest, ...sumOf(byNode.values()) });
  }
  const under = (rollout: Rollout) => rollout.active + rollout.queued > 0;
  return rollouts.sort((a, b) => Number(under(b)) - Number(under(a)) || b.startedAt - a.startedAt);
}

function sumOf(pulls: Iterable<Pull>): Omit<Rollout, 'reference' | 'digest'> {
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
      for (const pod of pull.pods) waiting.add(`${pod.namespace}/${pod.podName}`);
    }
    if (status === 'failed' || status === 'lost') failed++;
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
  };
}

/** Without an estimate nobody knows when: that is the slowest of all. */
function slower(a: Pull, b: Pull): boolean {
  const left = readySeconds(a) ?? Infinity;
  const right = readySeconds(b) ?? Infinity;
  return left === right ? a.percent < b.percent : left > right;
}
