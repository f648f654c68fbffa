// SPDX-License-Identifier: Apache-2.0
import { whenCalm } from '../lib/calm';
import type { Store } from '../state/store';
import type { Wishes } from './answers';
import { type Update, createReceiver } from './mirror';
import type { Command } from './worker';

/** What the page may ask of the thread that listens to the server. */
export interface RemoteSource {
  /** What this page wants to know besides the stream. */
  wish: (wishes: Wishes) => void;
}

/** A page that draws no frames, because it is hidden, takes an update no more often than so. */
const HIDDEN_MS = 250;

/**
 * Keeps the store in step with the server by a thread of its own: at most one update a frame, and
 * while someone scrolls or types as few as keep it true.
 */
export function connectSource(store: Store): RemoteSource {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const send = (command: Command) => worker.postMessage(command);
  const receive = createReceiver(store);
  worker.onmessage = ({ data }: MessageEvent<Update>) => {
    if (receive(data)) afterFrame(() => whenCalm(() => send({ type: 'taken' })));
  };
  // Relative to the page, so that it also works below an ingress path.
  send({ type: 'start', api: new URL('api/v1/', document.baseURI).href });
  return {
    wish: (wishes) => send({ type: 'wish', wishes }),
  };
}

/** Calls once, when the next frame is drawn or after the time of a hidden page. */
function afterFrame(then: () => void) {
  const go = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    then();
  };
  const frame = requestAnimationFrame(go);
  const timer = setTimeout(go, HIDDEN_MS);
}
