// SPDX-License-Identifier: Apache-2.0
import { type PullsAction, reducePulls } from '../state/pulls';
import type { Store } from '../state/store';
import { addSample, pastSamples } from '../state/throughput';
import { startDetail } from './detail';
import { createIntake } from './intake';
import { startPolls } from './polls';

const RETRY_MS = [500, 1000, 2000, 4000, 5000] as const;
/** After so long the server may have forgotten finished pulls: ask for the full state again. */
const RESUME_WITHIN_MS = 30_000;
/** A new connection's snapshot is taken to be in after so long; what comes later is added still. */
const SETTLE_MS = 3000;
const SAMPLE_MS = 1000;
const FIRST_SAMPLES_MS = 200;
const EXPIRE_MS = 5000;

export interface Source {
  /** The pull whose layers are wanted, or null. */
  openDetail: (id: string | null) => void;
  /** Whether the list of nodes is wanted. */
  watchNodes: (wanted: boolean) => void;
  stop: () => void;
}

/**
 * Connects the store to the server behind `api`, an address that ends with a slash: one event
 * stream, and small questions for what it lacks.
 */
export function startSource(store: Store, api: string): Source {
  let events: EventSource | undefined;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let lastEventId = '';
  let attempt = 0;
  let lostAt = 0;
  let openedAt = 0;
  let resumed = false;
  /** The run of the server that told what is in the store. */
  let run: number | undefined;
  /** Whether the stream is of another run is not known yet. */
  let unsure = false;
  /** What is in the store came before the stream; while unsure, what the stream tells is held back. */
  let before = false;
  /** Whether the first snapshot is in; until then the past is drawn again from what has come. */
  let pastKnown = false;

  const dispatch = (action: PullsAction) =>
    store.set({ pulls: reducePulls(store.get().pulls, action) });

  const serverNow = () => Date.now() + store.get().clockOffsetMs;

  const intake = createIntake(
    (batch) => {
      const { pulls, connection } = store.get();
      store.set({
        pulls: reducePulls(pulls, { type: 'told', pulls: batch }),
        connection: { ...connection, lastMessageAt: Date.now() },
      });
    },
    (reason) => {
      store.set({ rejected: { count: store.get().rejected.count + 1, lastReason: reason } });
    },
  );
  const detail = startDetail(store, api);
  const polls = startPolls(store, api, onAnswer, () => {
    if (store.get().connection.phase === 'live') reconnect();
  });

  function connect() {
    resumed = lastEventId !== '' && Date.now() - lostAt < RESUME_WITHIN_MS;
    const from = resumed ? `&lastEventId=${encodeURIComponent(lastEventId)}` : '';
    events = new EventSource(`${api}events?layers=0${from}`);
    events.onopen = () => {
      attempt = 0;
      openedAt = performance.now();
      unsure = true;
      before = store.get().pulls.pulls.size > 0;
      if (before) intake.hold();
      store.set({ connection: { ...store.get().connection, phase: 'live' } });
      polls.now();
    };
    events.onmessage = (message: MessageEvent<string>) => {
      lastEventId = message.lastEventId;
      intake.push(message.data);
    };
    events.onerror = reconnect;
  }

  /** Instead of the browser's own retry, which gives up on a 503. */
  function reconnect() {
    events?.close();
    if (unsure) {
      intake.discard();
      lastEventId = '';
    }
    const { connection } = store.get();
    if (connection.phase === 'live') {
      lostAt = Date.now();
      store.set({ connection: { ...connection, phase: 'reconnecting' } });
    }
    const wait = RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)] ?? 0;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
  }

  const snapshotIn = () => performance.now() - openedAt >= SETTLE_MS;

  function onAnswer() {
    const { connection, summary } = store.get();
    // An answer from before the stream opened may be of the run that died.
    if (unsure && connection.phase === 'live') {
      unsure = false;
      const same = resumed && summary?.startedAt === run;
      run = summary?.startedAt;
      if (before && !same) dispatch({ type: 'afresh' });
      intake.release();
    }
    if (snapshotIn()) dispatch({ type: 'settled' });
  }

  let sampleTimer: ReturnType<typeof setTimeout> | undefined;
  function sample() {
    sampleTimer = setTimeout(sample, pastKnown ? SAMPLE_MS : FIRST_SAMPLES_MS);
    const { connection, pulls, summary, throughput } = store.get();
    if (connection.phase !== 'live' || summary === null) return;
    const now = serverNow();
    const past = pastKnown ? throughput : pastSamples(pulls.pulls.values(), now);
    pastKnown ||= snapshotIn();
    // Not the sum of the pulls' speeds: two that wait for one layer both show its bytes.
    store.set({ throughput: addSample(past, { at: now, bytesPerSec: summary.bytesPerSec }) });
  }

  const expireTimer = setInterval(() => {
    const { summary } = store.get();
    if (summary === null) return;
    dispatch({ type: 'expire', now: serverNow(), historyMs: summary.historySeconds * 1000 });
  }, EXPIRE_MS);

  connect();
  sample();
  return {
    openDetail: detail.open,
    watchNodes: polls.watchNodes,
    stop: () => {
      events?.close();
      clearTimeout(retryTimer);
      clearTimeout(sampleTimer);
      clearInterval(expireTimer);
      intake.stop();
      detail.stop();
      polls.stop();
    },
  };
}
