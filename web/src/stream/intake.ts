// SPDX-License-Identifier: Apache-2.0
import { decodeEvent } from './decode';
import type { PullEvent } from './wire';

/** Decoding gives way to input after this long. */
const SLICE_MS = 6;
/** Least time between two commits while many pulls change, or the page is hidden. */
const BUSY_COMMIT_MS = 250;
/** So many changed pulls in one commit count as busy. */
const BUSY_EVENTS = 100;

export interface Intake {
  push: (data: string) => void;
  /** True when all that was pushed has been committed. */
  idle: () => boolean;
  stop: () => void;
}

/**
 * Takes messages as they come and commits them in batches: at most one a frame, four a second
 * when busy or hidden. Of one pull only the newest event is kept, so memory is bounded.
 */
export function createIntake(
  commit: (events: readonly PullEvent[]) => void,
  reject: (reason: string) => void,
): Intake {
  let queue: string[] = [];
  let next = 0;
  const pending = new Map<string, PullEvent>();
  let sliceTimer: ReturnType<typeof setTimeout> | undefined;
  let commitTimer: ReturnType<typeof setTimeout> | undefined;
  let frame: number | undefined;
  let lastCommitAt = -Infinity;
  let lastBatch = 0;

  function take(data: string) {
    try {
      const event = decodeEvent(data);
      if (event !== null) pending.set(event.pull.id, event);
    } catch (error) {
      reject(error instanceof Error ? error.message : String(error));
    }
  }

  function slice() {
    sliceTimer = undefined;
    const until = performance.now() + SLICE_MS;
    while (next < queue.length && performance.now() < until) take(queue[next++] ?? '');
    if (next < queue.length) {
      sliceTimer = setTimeout(slice, 0);
    } else {
      queue = [];
      next = 0;
    }
    schedule();
  }

  function schedule() {
    if (pending.size === 0 || commitTimer !== undefined || frame !== undefined) return;
    const busy = document.hidden || Math.max(pending.size, lastBatch) > BUSY_EVENTS;
    const wait = busy ? lastCommitAt + BUSY_COMMIT_MS - performance.now() : 0;
    if (wait > 0) {
      commitTimer = setTimeout(() => {
        commitTimer = undefined;
        flush();
      }, wait);
    } else if (document.hidden) {
      flush();
    } else {
      frame = requestAnimationFrame(() => {
        frame = undefined;
        flush();
      });
    }
  }

  function flush() {
    lastCommitAt = performance.now();
    const events = [...pending.values()];
    lastBatch = events.length;
    pending.clear();
    if (events.length > 0) commit(events);
  }

  // A frame that was asked for never comes once the page is hidden.
  function onVisibility() {
    if (frame !== undefined && document.hidden) {
      cancelAnimationFrame(frame);
      frame = undefined;
      schedule();
    }
  }
  document.addEventListener('visibilitychange', onVisibility);

  return {
    push: (data) => {
      if (document.hidden && next === queue.length) {
        // Timers of hidden pages are slowed down; decoding here keeps the queue empty.
        take(data);
        schedule();
        return;
      }
      queue.push(data);
      sliceTimer ??= setTimeout(slice, 0);
    },
    idle: () => next === queue.length && pending.size === 0,
    stop: () => {
      document.removeEventListener('visibilitychange', onVisibility);
      clearTimeout(sliceTimer);
      clearTimeout(commitTimer);
      if (frame !== undefined) cancelAnimationFrame(frame);
    },
  };
}
