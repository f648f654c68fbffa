// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { statusOf } from './status';

/** What a pull has fetched, and from when to when. */
export interface Download {
  readonly bytes: number;
  readonly began: number;
  readonly ended: number;
}

/** Undefined of a pull that has fetched nothing. */
export function downloadOf(pull: Pull, now: number): Download | undefined {
  const bytes = pull.bytesFetched ?? pull.downloadedBytes - (pull.cachedBytes ?? 0);
  const began = pull.startedAt + (pull.queuedSeconds ?? 0) * 1000;
  // What a node says of a download under way is a moment old: it would end before now.
  const seconds = statusOf(pull) === 'downloading' ? undefined : pull.downloadSeconds;
  const ended = Math.min(pull.completedAt ?? now, began + (seconds ?? Infinity) * 1000);
  return bytes > 0 && ended > began ? { bytes, began, ended } : undefined;
}
