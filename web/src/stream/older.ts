// SPDX-License-Identifier: Apache-2.0
import { decodePage } from '../model/decode';
import type { Pull } from '../model/pull';
import { MAX_FINISHED } from '../state/pulls';
import type { Older, Store } from '../state/store';
import { getText } from './api';

const PAGE = 1000;
/** More are not held; a search finds those that are wanted. */
const MAX_OLDER = 20_000;

/** What one page wants to see of the completed pulls that the stream's share leaves out. */
export interface OlderWish {
  /** So many pages of them. */
  readonly pages: number;
  /** Parameters of `/api/v1/pulls` that leave out others, as `&node=n1`; empty for all. */
  readonly filter: string;
}

/**
 * Asks for older completed pulls page by page, those first that ended last. While they are wanted, what
 * the page lets go of, since newer ones have come, joins them: it stands between the two.
 */
export function startOlder(store: Store, api: string): { want: (wish: OlderWish | null) => void } {
  let abort = new AbortController();
  let wish: OlderWish | null = null;
  let pulls = new Map<string, Pull>();
  let held = store.get().pulls;
  let pages = 0;
  let cursor: string | undefined;
  let more = true;
  let busy = false;

  function reset() {
    abort.abort();
    abort = new AbortController();
    pulls = new Map();
    pages = 0;
    cursor = undefined;
    more = true;
    busy = false;
  }

  /** One page more; those that the stream brings are passed over. */
  async function ask(filter: string, signal: AbortSignal): Promise<void> {
    const from = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const address = `${api}pulls?layers=0&status=completed&sort=-completedAt&limit=${PAGE}${filter}${from}`;
    const page = decodePage(await getText(address, signal));
    signal.throwIfAborted();
    const known = store.get().pulls.pulls;
    const fresh = page.pulls.filter(({ id }) => !known.has(id));
    if (fresh.length > 0) pages++;
    for (const pull of fresh) pulls.set(pull.id, pull);
    cursor = page.nextCursor;
    more = cursor !== undefined && pulls.size < MAX_OLDER;
  }

  function show(state: Older['state']) {
    store.set({ older: { pulls: [...pulls.values()], more, state } });
  }

  store.subscribe(() => {
    const before = held;
    held = store.get().pulls;
    const { pulls: now } = held;
    const lets = now.size >= MAX_FINISHED && now.size < before.pulls.size;
    if (wish === null || !lets || before.unconfirmed !== null) return;
    for (const pull of before.pulls.values()) {
      const isLeft = pull.completedAt !== undefined && !now.has(pull.id);
      if (isLeft && pulls.size < MAX_OLDER) pulls.set(pull.id, pull);
    }
    show(store.get().older?.state ?? 'there');
  });

  async function load({ signal }: AbortController): Promise<void> {
    busy = true;
    try {
      while (wish !== null && pages < wish.pages && more) {
        show('asking');
        await ask(wish.filter, signal);
      }
      show('there');
    } catch {
      if (signal.aborted) return;
      show('unanswered');
    }
    busy = false;
  }

  return {
    want: (next) => {
      if (next?.filter !== wish?.filter) reset();
      wish = next;
      if (next === null) store.set({ older: null });
      else if (!busy) void load(abort);
    },
  };
}
