// SPDX-License-Identifier: Apache-2.0
import { decodeNodes, decodePod, decodeRegistries } from '../model/decode';
import type { AppState, Store } from '../state/store';
import { HttpError, getText } from './api';
import { startDetail } from './detail';
import { type OlderWish, startOlder } from './older';

const EVERY_MS = 2000;

/** What one page wants to know besides the stream. */
export interface Wishes {
  /** The pull whose layers are wanted. */
  readonly open: string | null;
  readonly nodes: boolean;
  readonly registries: boolean;
  /** `namespace/name` of the pod whose story is wanted. */
  readonly pod: string | null;
  readonly older: OlderWish | null;
}

export const NO_WISHES: Wishes = {
  open: null,
  nodes: false,
  registries: false,
  pod: null,
  older: null,
};

export interface Answers {
  wish: (wishes: Wishes) => void;
  stop: () => void;
}

/** Asks the server for what is wished, again and again while it is, and puts it into the store. */
export function startAnswers(store: Store, api: string): Answers {
  const detail = startDetail(store, api);
  const older = startOlder(store, api);
  let wishes = NO_WISHES;
  const nodes = startAsking(async (signal) => {
    store.set({ nodes: decodeNodes(await getText(`${api}nodes`, signal)) });
  });
  const registries = startAsking(async (signal) => {
    store.set({ registries: decodeRegistries(await getText(`${api}registries`, signal)) });
  });
  const pod = startAsking(async (signal) => {
    const name = wishes.pod;
    if (name === null) return;
    const answer = await askForPod(api, name, signal);
    if (wishes.pod !== name) return;
    const known = store.get().pod;
    const story = answer.story ?? (known?.name === name ? known.story : undefined);
    store.set({ pod: { ...answer, name, story } });
  });
  return {
    wish: (next) => {
      if (next.pod !== wishes.pod) {
        pod.want(false);
        store.set({ pod: null });
      }
      wishes = next;
      detail.open(next.open);
      older.want(next.older);
      nodes.want(next.nodes);
      registries.want(next.registries);
      pod.want(next.pod !== null);
    },
    stop: () => {
      detail.stop();
      older.want(null);
      nodes.want(false);
      registries.want(false);
      pod.want(false);
    },
  };
}

/** The pod's story, or why there is none now. */
async function askForPod(
  api: string,
  name: string,
  signal: AbortSignal,
): Promise<Pick<NonNullable<AppState['pod']>, 'story' | 'trouble'>> {
  const path = name.split('/').map(encodeURIComponent).join('/');
  try {
    return { story: decodePod(await getText(`${api}pods/${path}`, signal)), trouble: null };
  } catch (error) {
    signal.throwIfAborted();
    const unknown = error instanceof HttpError && error.status === 404;
    return { story: undefined, trouble: unknown ? 'unknown' : 'unanswered' };
  }
}

/** Calls `ask` at once and every two seconds while it is wanted; what fails is asked again. */
function startAsking(ask: (signal: AbortSignal) => Promise<void>): {
  want: (wanted: boolean) => void;
} {
  let abort: AbortController | undefined;

  async function go(signal: AbortSignal) {
    await ask(signal).catch(() => undefined);
    if (!signal.aborted) setTimeout(() => signal.aborted || void go(signal), EVERY_MS);
  }

  return {
    want: (wanted) => {
      if (wanted === (abort !== undefined)) return;
      abort?.abort();
      abort = wanted ? new AbortController() : undefined;
      if (abort !== undefined) void go(abort.signal);
    },
  };
}
