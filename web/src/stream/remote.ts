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
const HERE_MS = 20_000;
/** A shared thread that has said nothing for so long, not even what it knew, is done without. */
const SILENT_MS = 5000;

type Listen = (update: Update) => void;

/**
 * Keeps the store in step with the server by a thread of its own: at most one update a frame, and
 * while someone scrolls or types as few as keep it true. Pages of one browser share the thread, and so
 * the stream, which no page's end can break.
 */
export function connectSource(store: Store): RemoteSource {
  const receive = createReceiver(store);
  let wished: Command | undefined;
  const listen: Listen = (update) => {
    if (receive(update)) afterFrame(() => whenCalm(() => send({ type: 'taken' })));
  };
  let send = openShared(listen, fallBack) ?? openOwn(listen);

  // Relative to the page, so that it also works below an ingress path.
  const start = () => send({ type: 'start', api: new URL('api/v1/', document.baseURI).href });

  function fallBack() {
    send = openOwn(listen);
    start();
    if (wished !== undefined) send(wished);
  }

  start();
  setInterval(() => send({ type: 'here' }), HERE_MS);
  window.addEventListener('pagehide', () => send({ type: 'bye' }));
  window.addEventListener('pageshow', ({ persisted }) => {
    if (persisted) start();
  });
  return {
    wish: (wishes) => {
      wished = { type: 'wish', wishes };
      send(wished);
    },
  };
}

/** The thread of all pages; undefined where the browser has none. `failed` when it cannot be had. */
function openShared(listen: Listen, failed: () => void): ((command: Command) => void) | undefined {
  if (typeof SharedWorker === 'undefined') return undefined;
  try {
    const shared = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    let heard = false;
    const giveUp = () => {
      clearTimeout(silence);
      if (heard) return;
      shared.onerror = null;
      shared.port.close();
      failed();
    };
    const silence = setTimeout(giveUp, SILENT_MS);
    shared.onerror = giveUp;
    shared.port.onmessage = ({ data }: MessageEvent<Update>) => {
      heard = true;
      listen(data);
    };
    return (command) => shared.port.postMessage(command);
  } catch {
    return undefined;
  }
}

function openOwn(listen: Listen): (command: Command) => void {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Update>) => listen(data);
  return (command) => worker.postMessage(command);
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
