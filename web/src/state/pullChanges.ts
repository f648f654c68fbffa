// SPDX-License-Identifier: Apache-2.0
import type { HoldUp, PodRef, Pull } from '../model/pull';

/** What makes one set of pulls into the next; small, since most pulls change in a few figures. */
export interface PullChanges {
  readonly added: readonly Pull[];
  /** By id, the fields that are another value than before; undefined for one that is gone. */
  readonly changed: readonly (readonly [id: string, fields: Partial<Pull>])[];
  readonly gone: readonly string[];
}

/** A new pull costs its reader about as much as this many changed ones. */
const ADDED_COST = 4;

/**
 * Returns, call by call, what is new in the pulls since the last call; null when nothing is. One
 * answer costs its reader `most` at most, counted in changed pulls; the next call has the rest.
 */
export function createPullDiff(
  most = 4000,
): (pulls: ReadonlyMap<string, Pull>) => PullChanges | null {
  const known = new Map<string, Pull>();
  return (pulls) => {
    const added: Pull[] = [];
    const changed: [string, Partial<Pull>][] = [];
    const gone: string[] = [];
    for (const [id, pull] of pulls) {
      if (added.length * ADDED_COST + changed.length >= most) break;
      const before = known.get(id);
      if (before === pull) continue;
      known.set(id, pull);
      if (before === undefined) {
        added.push(pull);
        continue;
      }
      const fields = changedFields(before, pull);
      if (fields !== null) changed.push([id, fields]);
    }
    if (known.size > pulls.size) {
      for (const id of known.keys()) if (!pulls.has(id)) gone.push(id);
      for (const id of gone) known.delete(id);
    }
    return added.length + changed.length + gone.length === 0 ? null : { added, changed, gone };
  };
}

/** The same changes in parts that cost their reader no more than `most` changed pulls each. */
export function partsOf({ added, changed, gone }: PullChanges, most: number): PullChanges[] {
  const parts: PullChanges[] = [];
  const each = Math.ceil(most / ADDED_COST);
  for (let at = 0; at < added.length; at += each) {
    parts.push({ added: added.slice(at, at + each), changed: [], gone: [] });
  }
  for (let at = 0; at < changed.length; at += most) {
    parts.push({ added: [], changed: changed.slice(at, at + most), gone: [] });
  }
  if (gone.length > 0) parts.push({ added: [], changed: [], gone });
  return parts;
}

/** Makes the changes in `pulls`; what did not change stays the same object. */
export function applyPullChanges(
  pulls: Map<string, Pull>,
  { added, changed, gone }: PullChanges,
): void {
  for (const pull of added) pulls.set(pull.id, pull);
  for (const [id, fields] of changed) {
    const before = pulls.get(id);
    if (before !== undefined) pulls.set(id, { ...before, ...fields });
  }
  for (const id of gone) pulls.delete(id);
}

/** The fields of `after` that differ from those of `before`; null if none does. */
export function changedFields(before: Pull, after: Pull): Partial<Pull> | null {
  let fields: Record<string, unknown> | null = null;
  for (const key of Object.keys(after) as (keyof Pull)[]) {
    if (!isSame(key, before, after)) (fields ??= {})[key] = after[key];
  }
  return fields;
}

function isSame(key: keyof Pull, before: Pull, after: Pull): boolean {
  if (before[key] === after[key]) return true;
  if (key === 'pods') return samePods(before.pods, after.pods);
  return key === 'holdUp' && sameHoldUp(before.holdUp, after.holdUp);
}

function sameHoldUp(a: HoldUp | undefined, b: HoldUp | undefined): boolean {
  return (
    a?.kind === b?.kind &&
    a?.since === b?.since &&
    a?.pullId === b?.pullId &&
    a?.nodeBytesPerSec === b?.nodeBytesPerSec &&
    a?.registryBytesPerSec === b?.registryBytesPerSec
  );
}

/** Whether two lists name the same containers. */
export function samePods(a: readonly PodRef[], b: readonly PodRef[]): boolean {
  return (
    a.length === b.length &&
    a.every((pod, index) => {
      const other = b[index];
      return (
        other?.podName === pod.podName &&
        other.namespace === pod.namespace &&
        other.container === pod.container &&
        other.image === pod.image
      );
    })
  );
}
