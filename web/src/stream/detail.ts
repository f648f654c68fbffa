// SPDX-License-Identifier: Apache-2.0
import type { Store } from '../state/store';
import { HttpError, getText } from './api';
import { decodeDetail } from '../model/decode';
import type { Pull } from '../model/pull';

/** Least time between two questions for the same pull. */
const EVERY_MS = 500;
/** Until a question that had no answer is put again. */
const AGAIN_MS = 2000;
/** So many answers that there is no such pull are believed: one may come from a replica behind. */
const DENIALS = 2;

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
  let denials = 0;
  let waitMs = EVERY_MS;

  async function ask({ id, nodeName }: Pull): Promise<void> {
    busy = true;
    askedAt = performance.now();
    try {
      const [pull, node] = await Promise.all([
        getText(`${api}pulls/${encodeURIComponent(id)}`, abort.signal),
        getText(`${api}nodes?node=${encodeURIComponent(nodeName)}`, abort.signal),
      ]);
      const detail = decodeDetail(pull, node);
      if (wanted === id) {
        denials = 0;
        waitMs = EVERY_MS;
        store.set({ detail, detailTrouble: null });
      }
    } catch (error) {
      // The row itself still shows what the stream sends.
      if (wanted === id) noAnswer(error);
    }
    busy = false;
    schedule();
  }

  function noAnswer(error: unknown) {
    waitMs = AGAIN_MS;
    const unknown = error instanceof HttpError && error.status === 404;
    if (unknown) denials++;
    const believed = unknown && denials >= DENIALS;
    if (!believed) askedFor = undefined;
    if (!unknown || believed) store.set({ detailTrouble: unknown ? 'unknown' : 'unanswered' });
  }

  /** Asks if the stream had something new since the last question, not before the time is up. */
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
      Math.max(0, askedAt + waitMs - performance.now()),
    );
  }

  const unsubscribe = store.subscribe(schedule);
  return {
    open: (id) => {
      if (id === wanted) return;
      wanted = id;
      askedFor = undefined;
      askedAt = -Infinity;
      denials = 0;
      waitMs = EVERY_MS;
      clearTimeout(timer);
      timer = undefined;
      store.set({ detail: null, detailTrouble: null });
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
