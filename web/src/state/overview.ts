// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../stream/wire';
import { isActive, statusOf } from './status';

/** The figures of the top strip, from the pulls alone. */
export interface Overview {
  readonly bytesPerSec: number;
  readonly active: number;
  readonly queued: number;
  readonly waitingPods: number;
  readonly failed: number;
  readonly medianSeconds: number | undefined;
  readonly p95Seconds: number | undefined;
}

export function overviewOf(pulls: ReadonlyMap<string, Pull>): Overview {
  let bytesPerSec = 0;
  let active = 0;
  let queued = 0;
  let failed = 0;
  const waiting = new Set<string>();
  const seconds: number[] = [];
  for (const pull of pulls.values()) {
    const status = statusOf(pull);
    if (isActive(status)) {
      if (status === 'queued') queued++;
      else active++;
      bytesPerSec += pull.bytesPerSec;
    } else if (status === 'failed') failed++;
    else if (status === 'completed' && pull.completedAt !== undefined) {
      seconds.push((pull.completedAt - pull.startedAt) / 1000);
    }
    if (status === 'completed') continue;
    for (const pod of pull.pods) waiting.add(`${pod.namespace}/${pod.podName}`);
  }
  seconds.sort((a, b) => a - b);
  return {
    bytesPerSec,
    active,
    queued,
    waitingPods: waiting.size,
    failed,
    medianSeconds: quantile(seconds, 0.5),
    p95Seconds: quantile(seconds, 0.95),
  };
}

/** Nearest rank; undefined of nothing. */
export function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
