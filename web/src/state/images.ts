// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';

/** What a server calls a pull whose image nobody has named yet. */
export const UNNAMED = '__pulling__';

export interface Images {
  /** The same for all pulls of one image. */
  keyOf: (pull: Pull) => string;
  /** The most exact name that any pull of the image has. */
  nameOf: (key: string) => string;
}

/**
 * Finds which pulls are of one image. A node often learns the tag only when its pull ends, but
 * the digest at once; a pull that failed before that has only the name.
 */
export function imagesOf(pulls: Iterable<Pull>): Images {
  const names = new Map<string, string>();
  const digests = new Map<string, string>();
  for (const pull of pulls) {
    const key = pull.rootDigest ?? pull.imageRef;
    const known = names.get(key);
    if (known === undefined || isBetter(pull.imageRef, known)) names.set(key, pull.imageRef);
    if (pull.rootDigest !== undefined) digests.set(pull.imageRef, pull.rootDigest);
  }
  return {
    keyOf: (pull) => pull.rootDigest ?? digests.get(pull.imageRef) ?? pull.imageRef,
    nameOf: (key) => names.get(key) ?? key,
  };
}

function isBetter(name: string, known: string): boolean {
  if (isUnnamed(name)) return false;
  return isUnnamed(known) || name.length > known.length;
}

/** Whether a reference is only what stands for a name until the node knows it. */
export function isUnnamed(reference: string): boolean {
  return reference === UNNAMED || /^sha256:[0-9a-f]{64}$/.test(reference);
}
