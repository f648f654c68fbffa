// SPDX-License-Identifier: Apache-2.0
import type { Store } from '../state/store';
import { HttpError, getText } from './api';
import { decodeSummary } from '../model/decode';
import { DecodeError } from '../model/fields';

const EVERY_MS = 2000;
/** A smaller difference between the clocks is the network's delay. */
const CLOCK_STEP_MS = 1500;
/** So many failures in a row mean that the server is away; one that does not answer is at once. */
const FAILURES = 3;

export interface Polls {
  /** Asks at once instead of at the next turn. */
  now: () => void;
  stop: () => void;
}

/**
 * Asks for what the stream does not send: the server's clock, how many nodes report. `onAway` hears of a
 * server that answers nothing.
 */
export function startPolls(store: Store, api: string, onAway: () => void): Polls {
  const abort = new AbortController();
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function again() {
    clearTimeout(timer);
    if (abort.signal.aborted) return;
    timer = setTimeout(() => void poll(), EVERY_MS);
  }

  async function poll(): Promise<void> {
    clearTimeout(timer);
    try {
      const summary = decodeSummary(await getText(`${api}summary`, abort.signal));
      const offset = summary.now - Date.now();
      const known = store.get().clockOffsetMs;
      const clockOffsetMs = Math.abs(offset - known) > CLOCK_STEP_MS ? offset : known;
      store.set({ summary, clockOffsetMs });
      failures = 0;
    } catch (error) {
      const answered = error instanceof HttpError || error instanceof DecodeError;
      const timedOut = error instanceof DOMException && error.name === 'TimeoutError';
      failures = answered ? 0 : timedOut ? FAILURES : failures + 1;
      // A stream that died without a word looks open for long; this does not.
      if (failures === FAILURES && !abort.signal.aborted) onAway();
    }
    again();
  }

  return {
    now: () => {
      failures = 0;
      void poll();
    },
    stop: () => {
      abort.abort();
      clearTimeout(timer);
    },
  };
}
