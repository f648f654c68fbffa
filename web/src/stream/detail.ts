// SPDX-License-Identifier: Apache-2.0
import type { Store } from '../state/store';
import { getText } from './api';
import { decodeDetail } from '../model/decode';
import type { Pull } from '../model/pull';

/** Least time between two questions for the same pull. */
const EVERY_MS = 500;

export interface DetailSource {
  /** The pull whose layers are wanted, or null. */
  open: (id: string | null) => void;
  stop: () => void;
}

/**
 * Keeps `detail` in step with the open row. The stream leaves layers out, so that ten thousand
 * pulls stay cheap; each news of the open pull asks for its layers once.
 */
export function startDetail(store: Store, api: string): DetailSource {
  const abort = new AbortController();
  let wanted: string | null = null;
  let askedAt = -Infinity;
  let busy = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** The pull as it was when its layers were last asked for. */
  let askedFor: Pull | undefined;

  async function ask({ id, nodeName }: Pull): Promise<void> {
    busy = true;
    askedAt = performance.now();
    try {
      const [pull, node] = await Promise.all([
        getText(`${api}pulls/${encodeURIComponent(id)}`, abort.signal),
        getText(`${api}nodes?node=${encodeURIComponent(nodeName)}`, abort.signal),
      ]);
      const detail = decodeDetail(pull, node);
      if (wanted === id) store.set({ detail });
    } catch {
      // The row itself still shows what the stream tells; the next news asks again.
    }
    busy = false;
    schedule();
  }

  /** Asks if the stream told something since the last question, not before the time is up. */
  function schedule() {
    if (wanted === null || busy || timer !== undefined) return;
    const pull = store.get().pulls.pulls.get(wanted);
    if (pull === undefined || pull === askedFor) return;
    timer = setTimeout(
      () => {
        timer = undefined;
        const news = store.get().pulls.pulls.get(wanted ?? '');
        if (news === undefined) return;
        askedFor = news;
        void ask(news);
      },
      Math.max(0, askedAt + EVERY_MS - performance.now()),
    );
  }

  const unsubscribe = store.subscribe(schedule);
  return {
    open: (id) => {
      if (id === wanted) return;
      wanted = id;
      askedFor = undefined;
      askedAt = -Infinity;
      clearTimeout(timer);
      timer = undefined;
      store.set({ detail: null });
      schedule();
    },
    stop: () => {
      unsubscribe();
      abort.abort();
      clearTimeout(timer);
      wanted = null;
    },
  };
}
