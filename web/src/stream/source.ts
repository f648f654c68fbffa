// SPDX-License-Identifier: Apache-2.0
import { type PullsAction, reducePulls } from '../state/pulls';
import { isActive, statusOf } from '../state/status';
import type { Store } from '../state/store';
import { decodeDetail, decodeNodes, decodeSummary } from './decode';
import { createIntake } from './intake';

const API = 'api/v1/';
const RETRY_MS = [500, 1000, 2000, 4000, 5000] as const;
/** After so long a silence the server may have forgotten pulls: ask for the full state again. */
const RESUME_WITHIN_MS = 30_000;
const SETTLE_MS = 2000;
const POLL_MS = 2000;
const POLL_HIDDEN_MS = 10_000;
const DETAIL_MS = 500;
const SAMPLE_MS = 1000;
const SAMPLES = 300;
const EXPIRE_MS = 5000;
/** A smaller difference between the clocks is the network's delay. */
const CLOCK_STEP_MS = 1500;

export interface Source {
  /** The pull whose layers are wanted, or null. */
  openDetail: (id: string | null) => void;
  /** Whether the list of nodes is wanted. */
  watchNodes: (wanted: boolean) => void;
  stop: () => void;
}

/** Connects the store to the server: one event stream, and small polls for what it lacks. */
export function startSource(store: Store): Source {
  let stopped = false;
  let events: EventSource | undefined;
  let lastEventId = '';
  let attempt = 0;
  let lostAt = 0;
  let openedAt = 0;
  let startedAtBefore: number | undefined;
  let askedFresh = false;
  let detailId: string | null = null;
  let detailAt = 0;
  let detailBusy = false;
  let nodesWanted = false;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let pollTimer: ReturnType<typeof setTimeout> | undefined;
  let detailTimer: ReturnType<typeof setTimeout> | undefined;
  const abort = new AbortController();

  const dispatch = (action: PullsAction) =>
    store.set({ pulls: reducePulls(store.get().pulls, action) });
  const serverNow = () => Date.now() + store.get().clockOffsetMs;

  const reject = (reason: string) => {
    const { count } = store.get().rejected;
    store.set({ rejected: { count: count + 1, lastReason: reason } });
  };

  const intake = createIntake((batch) => {
    dispatch({ type: 'events', events: batch });
    store.set({ connection: { phase: 'live', lastMessageAt: Date.now() } });
  }, reject);

  function connect() {
    askedFresh = lastEventId === '' || (lostAt > 0 && Date.now() - lostAt > RESUME_WITHIN_MS);
    const resume = askedFresh ? '' : `&lastEventId=${encodeURIComponent(lastEventId)}`;
    const current = new EventSource(`${API}events?layers=0${resume}`);
    events = current;
    current.onopen = () => {
      attempt = 0;
      openedAt = performance.now();
      startedAtBefore = store.get().summary?.startedAt;
      dispatch({ type: 'connected' });
      store.set({ connection: { ...store.get().connection, phase: 'live' } });
      void poll();
    };
    current.onmessage = (message: MessageEvent<string>) => {
      lastEventId = message.lastEventId;
      intake.push(message.data);
    };
    // The browser's own retry gives up on a 503; this one does not.
    current.onerror = () => reconnect();
  }

  function reconnect() {
    events?.close();
    if (stopped) return;
    if (store.get().connection.phase === 'live') lostAt = Date.now();
    const { connection } = store.get();
    if (connection.lastMessageAt > 0 || connection.phase === 'live') {
      store.set({ connection: { ...connection, phase: 'reconnecting' } });
    }
    const wait = RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)] ?? 5000;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
  }

  async function get(path: string): Promise<string> {
    const answer = await fetch(API + path, { signal: abort.signal });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  }

  async function poll(): Promise<void> {
    clearTimeout(pollTimer);
    pollTimer = setTimeout(() => void poll(), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
    try {
      const summary = decodeSummary(await get('summary'));
      const offset = summary.now - Date.now();
      const known = store.get().clockOffsetMs;
      store.set({
        summary,
        clockOffsetMs: Math.abs(offset - known) > CLOCK_STEP_MS ? offset : known,
      });
      settle();
      if (nodesWanted) store.set({ nodes: decodeNodes(await get('nodes')) });
    } catch {
      // The stream's own state tells the user that the server is away.
    }
  }

  /** Once the snapshot of a new connection is in, drops what another server run had told. */
  function settle() {
    if (store.get().pulls.told === null) return;
    if (performance.now() - openedAt < SETTLE_MS || !intake.idle()) return;
    const startedAt = store.get().summary?.startedAt;
    dispatch({ type: 'settled', fresh: askedFresh || startedAt !== startedAtBefore });
  }

  /** Fetches the open pull's layers whenever the stream told something new of it. */
  async function refreshDetail(): Promise<void> {
    const id = detailId;
    if (id === null || detailBusy || detailTimer !== undefined) return;
    const wait = detailAt + DETAIL_MS - performance.now();
    if (wait > 0) {
      detailTimer = setTimeout(() => {
        detailTimer = undefined;
        void refreshDetail();
      }, wait);
      return;
    }
    detailBusy = true;
    detailAt = performance.now();
    const told = store.get().pulls.pulls.get(id);
    try {
      const detail = decodeDetail(await get(`pulls/${encodeURIComponent(id)}`));
      if (detailId === id) store.set({ detail });
    } catch {
      // Kept as it was: the row itself still shows what the stream tells.
    }
    detailBusy = false;
    if (detailId !== null && (detailId !== id || told !== store.get().pulls.pulls.get(id))) {
      void refreshDetail();
    }
  }

  let seenOpen: unknown;
  const unsubscribe = store.subscribe(() => {
    if (detailId === null) return;
    const pull = store.get().pulls.pulls.get(detailId);
    if (pull === seenOpen) return;
    seenOpen = pull;
    void refreshDetail();
  });

  function sample() {
    let bytesPerSec = 0;
    for (const pull of store.get().pulls.pulls.values()) {
      if (pull.completedAt === undefined && isActive(statusOf(pull)))
        bytesPerSec += pull.bytesPerSec;
    }
    const since = store.get().throughput.slice(1 - SAMPLES);
    store.set({ throughput: [...since, { at: Date.now(), bytesPerSec }] });
  }

  const sampleTimer = setInterval(() => {
    if (store.get().connection.phase === 'live') sample();
  }, SAMPLE_MS);
  const expireTimer = setInterval(() => {
    dispatch({ type: 'expire', now: serverNow() });
  }, EXPIRE_MS);

  connect();
  return {
    openDetail: (id) => {
      if (id === detailId) return;
      detailId = id;
      detailAt = -Infinity;
      seenOpen = undefined;
      store.set({ detail: null });
      void refreshDetail();
    },
    watchNodes: (wanted) => {
      if (nodesWanted === wanted) return;
      nodesWanted = wanted;
      if (wanted) void poll();
    },
    stop: () => {
      stopped = true;
      abort.abort();
      events?.close();
      intake.stop();
      unsubscribe();
      clearTimeout(retryTimer);
      clearTimeout(pollTimer);
      clearTimeout(detailTimer);
      clearInterval(sampleTimer);
      clearInterval(expireTimer);
    },
  };
}
