// SPDX-License-Identifier: Apache-2.0
import { decodeEvent } from '../model/decode';
import type { Pull } from '../model/pull';

const FRAME_MS = 16;
/** Least time between two commits while many pulls change. */
const BUSY_COMMIT_MS = 250;
/** So many changes of pulls in a second are many. The server sends them in as many pieces as it likes. */
const BUSY_CHANGES_A_SECOND = 400;

export interface Intake {
  push: (data: string) => void;
  /** Commits at once what has come. */
  flush: () => void;
  stop: () => void;
}

/**
 * Decodes messages as they come and commits them in batches: one a frame while little changes, four
 * a second when much does, and in between accordingly. Of one pull only the newest state is kept, so memory is bounded.
 */
export function createIntake(
  commit: (pulls: readonly Pull[]) => void,
  reject: (reason: string) => void,
): Intake {
  let pending = new Map<string, Pull>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastCommitAt = -Infinity;
  let changesASecond = 0;

  function schedule() {
    if (timer !== undefined || pending.size === 0) return;
    const least = Math.min(1, changesASecond / BUSY_CHANGES_A_SECOND) * BUSY_COMMIT_MS;
    timer = setTimeout(flush, Math.max(FRAME_MS, lastCommitAt + least - performance.now()));
  }

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    if (pending.size === 0) return;
    const now = performance.now();
    const took = Math.min(BUSY_COMMIT_MS, Math.max(FRAME_MS, now - lastCommitAt));
    changesASecond = (pending.size * 1000) / took;
    lastCommitAt = now;
    const pulls = [...pending.values()];
    pending = new Map();
    commit(pulls);
  }

  return {
    push: (data) => {
      try {
        const pull = decodeEvent(data);
        if (pull === null) return;
        pending.set(pull.id, pull);
        schedule();
      } catch (error) {
        reject(error instanceof Error ? error.message : String(error));
      }
    },
    flush,
    stop: () => clearTimeout(timer),
  };
}
