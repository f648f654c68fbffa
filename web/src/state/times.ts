// SPDX-License-Identifier: Apache-2.0
import { secondsSince } from '../lib/format';
import type { Pull } from '../model/pull';
import { heldSeconds } from './holdUp';
import { isWaitedFor, statusOf } from './status';

/** A manifest is small: who waits longer for it has a registry that is away, or slows it down. */
const RESOLVE_SECONDS = 10;

/** When the wait for the image began: with the queue before its pull, if it stood in one. */
export function waitingSince(pull: Pull): number {
  // A row that is still in the queue began with it.
  const queued = statusOf(pull) === 'queued' ? 0 : (pull.queuedSeconds ?? 0);
  return pull.startedAt - queued * 1000;
}

/** How long a pull takes, or took; of one that failed, how long its pods have waited. */
export function elapsedSeconds(pull: Pull, now: number): number {
  const waits =
    pull.completedAt !== undefined && statusOf(pull) !== 'completed' && isWaitedFor(pull);
  const from = waits ? waitingSince(pull) : pull.startedAt;
  return Math.max(0, (waits ? now : (pull.completedAt ?? now)) - from) / 1000;
}

/** Whole seconds until the next attempt after a failure; undefined when it is not known. */
export function retrySeconds(pull: Pull, now: number): number | undefined {
  if (pull.nextAttemptAt === undefined || pull.nextAttemptAt <= now) return undefined;
  return Math.ceil((pull.nextAttemptAt - now) / 1000);
}

/** Whole seconds that a pull has waited for its manifest, if that is too long; else undefined. */
export function lateManifestSeconds(pull: Pull, now: number): number | undefined {
  if (statusOf(pull) !== 'resolving') return undefined;
  if (pull.holdUp !== undefined) return heldSeconds(pull, 'resolving', now);
  const seconds = secondsSince(pull.startedAt, now);
  return seconds < RESOLVE_SECONDS ? undefined : seconds;
}
