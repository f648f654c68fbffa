// SPDX-License-Identifier: Apache-2.0
import { type PodRef, type Pull, fullPodName } from '../model/pull';
import { isCheck } from './checks';
import { samePods } from './pullChanges';
import { isActive, isWaitedFor, statusOf } from './status';

/** The figures of the top strip, from the pulls alone. */
export interface Overview {
  readonly active: number;
  readonly queued: number;
  readonly waitingPods: number;
  /** Whether any pull has pods: without Kubernetes none ever has. */
  readonly anyPods: boolean;
  readonly failed: number;
  /** Ended, nobody knows how. */
  readonly stale: number;
  /** How many seconds each of the completed pulls took. */
  readonly durations: readonly number[];
}

/**
 * Adds up. Which pods wait changes seldom and is costly to count, so the selector remembers it
 * and looks only at pulls whose pods are other than before.
 */
export function createOverviewSelector(): (pulls: ReadonlyMap<string, Pull>) => Overview {
  const waiting = new Waiting();
  return (pulls) => {
    let active = 0;
    let queued = 0;
    let failed = 0;
    let stale = 0;
    let anyPods = false;
    const durations: number[] = [];
    // The map's own keys: their hashes are known, those of freshly decoded ids are not.
    for (const [id, pull] of pulls) {
      const status = statusOf(pull);
      const check = isCheck(pull);
      if (!check && isActive(status)) active++;
      else if (!check && status === 'queued') queued++;
      else if (status === 'failed') failed++;
      else if (status === 'stale') stale++;
      else if (!check && status === 'completed' && pull.completedAt !== undefined) {
        durations.push((pull.completedAt - pull.startedAt) / 1000);
      }
      anyPods ||= pull.pods.length > 0;
      waiting.set(id, isWaitedFor(pull) ? pull.pods : NO_PODS);
    }
    waiting.keepOnly(pulls);
    return {
      active,
      queued,
      waitingPods: waiting.count,
      anyPods,
      failed,
      stale,
      durations,
    };
  };
}

const NO_PODS: readonly PodRef[] = [];

/** Counts distinct pods over the pulls that they wait for. */
class Waiting {
  private readonly byPull = new Map<string, readonly PodRef[]>();
  private readonly uses = new Map<string, number>();

  get count(): number {
    return this.uses.size;
  }

  set(id: string, pods: readonly PodRef[]) {
    const before = this.byPull.get(id) ?? NO_PODS;
    if (samePods(before, pods)) return;
    this.add(before, -1);
    this.add(pods, 1);
    this.byPull.set(id, pods);
  }

  keepOnly(pulls: ReadonlyMap<string, unknown>) {
    if (this.byPull.size <= pulls.size) return;
    for (const [id, pods] of this.byPull) {
      if (pulls.has(id)) continue;
      this.add(pods, -1);
      this.byPull.delete(id);
    }
  }

  private add(pods: readonly PodRef[], by: 1 | -1) {
    for (const pod of pods) {
      const key = fullPodName(pod);
      const uses = (this.uses.get(key) ?? 0) + by;
      if (uses > 0) this.uses.set(key, uses);
      else this.uses.delete(key);
    }
  }
}

/** For a server whose summary does not say them. */
export function pullTimes(durations: readonly number[]): [number | undefined, number | undefined] {
  const sorted = [...durations].sort((a, b) => a - b);
  return [quantile(sorted, 0.5), quantile(sorted, 0.95)];
}

/** Nearest rank; undefined of nothing. */
export function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
