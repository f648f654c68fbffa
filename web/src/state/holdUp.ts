// SPDX-License-Identifier: Apache-2.0
import { formatDuration, secondsSince } from '../lib/format';
import type { HoldUpKind, Pull } from '../model/pull';

/** Whole seconds for which `kind` has held the pull up; undefined when the server says another thing. */
export function heldSeconds({ holdUp }: Pull, kind: HoldUpKind, now: number): number | undefined {
  if (holdUp?.kind !== kind) return undefined;
  return secondsSince(holdUp.since, now);
}

/** Seconds without a byte of a stalled pull: up to now where its server says since when. */
export function stalledSeconds(pull: Pull, now: number): number {
  return heldSeconds(pull, 'no_bytes', now) ?? pull.stalledSeconds ?? 0;
}

/** What a row says beside its progress, or in place of it; undefined when nothing is unusual. */
export function holdUpNote(pull: Pull, now: number): string | undefined {
  switch (pull.holdUp?.kind) {
    case 'node_silent':
      return `node silent for ${formatDuration(heldSeconds(pull, 'node_silent', now) ?? 0)}`;
    case 'agent_missing':
      return pull.phase === 'queued' ? undefined : 'no agent on this node';
    case 'slow':
      return 'slow';
    default:
      return undefined;
  }
}
