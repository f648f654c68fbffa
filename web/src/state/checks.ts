// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import type { PullPredicate } from './query';
import { statusOf } from './status';

/**
 * A check asked the registry and found everything on the node. It is shown with the pull that has
 * brought the image; where that is not known any more, the newest check stands for them all. So a
 * container that starts again and again does not fill the page.
 */
export function isCheck(pull: Pull): boolean {
  return pull.kind === 'check' && statusOf(pull) !== 'failed' && statusOf(pull) !== 'stale';
}

/** Of one image on one node; undefined as long as nobody knows which. */
function placeOf({ nodeName, rootDigest }: Pull): string | undefined {
  return rootDigest === undefined ? undefined : `${nodeName} ${rootDigest}`;
}

function isNewer(pull: Pull, than: Pull): boolean {
  if (pull.startedAt !== than.startedAt) return pull.startedAt > than.startedAt;
  return pull.id > than.id;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The ids of the checks that have no row of their own. The open one always has, and so has one that
 * is searched for by what the pull lacks, as a pod that came later.
 */
export function foldedChecks(
  pulls: ReadonlyMap<string, Pull>,
  openId: string | null = null,
  matches: PullPredicate | null = null,
): ReadonlySet<string> {
  const standing = new Map<string, Pull>();
  const checks: (readonly [string, Pull])[] = [];
  for (const pull of pulls.values()) {
    if (pull.kind !== 'check' || !isCheck(pull) || matches?.(pull) === false) continue;
    const place = placeOf(pull);
    if (place === undefined) continue;
    checks.push([place, pull]);
    const other = standing.get(place);
    if (other === undefined || isNewer(pull, other)) standing.set(place, pull);
  }
  if (checks.length === 0) return NONE;
  for (const pull of pulls.values()) {
    if (pull.kind === 'check' || statusOf(pull) !== 'completed') continue;
    const place = placeOf(pull);
    if (place !== undefined && standing.has(place) && matches?.(pull) !== false)
      standing.set(place, pull);
  }
  const folded = new Set<string>();
  for (const [place, { id }] of checks) {
    if (id !== openId && standing.get(place)?.id !== id) folded.add(id);
  }
  return folded;
}

/** The other checks of the image on the node of a pull or check that is over, newest first. */
export function checksOf(pulls: ReadonlyMap<string, Pull>, pull: Pull): readonly Pull[] {
  const place = statusOf(pull) === 'completed' ? placeOf(pull) : undefined;
  if (place === undefined) return [];
  const found: Pull[] = [];
  for (const other of pulls.values()) {
    if (
      other.kind === 'check' &&
      other.id !== pull.id &&
      isCheck(other) &&
      placeOf(other) === place
    )
      found.push(other);
  }
  return found.sort((a, b) => (isNewer(a, b) ? -1 : 1));
}

/** Whether it is the newest word on its image and node: a check adds nothing to a pull that is done. */
export function supersedes(pull: Pull, known: Pull): boolean {
  if (isCheck(pull) && statusOf(known) === 'completed') return false;
  if (isCheck(known) && statusOf(pull) === 'completed') return true;
  return known.startedAt < pull.startedAt;
}
