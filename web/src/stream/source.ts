// SPDX-License-Identifier: Apache-2.0
import { decodeHello } from '../model/decode';
import type { Hello } from '../model/hello';
import { type PullsAction, reducePulls } from '../state/pulls';
import type { Store } from '../state/store';
import { addSample, pastSamples } from '../state/throughput';
import { createIntake } from './intake';
import { startPolls } from './polls';

const RETRY_MS = [500, 1000, 2000, 4000, 5000] as const;
/** After so long the server may have forgotten finished pulls: ask for the full state again. */
const RESUME_WITHIN_MS = 30_000;
/** A server that does not say when its snapshot is over is taken to have sent it after so long. */
const SETTLE_MS = 3000;
const SAMPLE_MS = 1000;
const FIRST_SAMPLES_MS = 200;
const EXPIRE_MS = 5000;

export interface Source {
  stop: () => void;
}

/**
 * Connects the store to the server behind `api`, an address that ends with a slash: one event
 * stream, and small questions for what it lacks.
 */
export function startSource(store: Store, api: string): Source {
  let events: EventSource | undefined;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let settleTimer: ReturnType<typeof setTimeout> | undefined;
  let lastEventId = '';
  let attempt = 0;
  let lostAt = 0;
  /** The id that the stream was asked to go on behind; empty for all that there is. */
  let asked = '';
  /** The run of the server that sent what is in the store. */
  let run: string | undefined;
  /** Whether all has come that there was when the stream began. */
  let synced = false;
  /** Whether the first snapshot is in; until then the past is drawn again from what has come. */
  let pastKnown = false;

  const dispatch = (action: PullsAction) =>
    store.set({ pulls: reducePulls(store.get().pulls, action) });

  const serverNow = () => Date.now() + store.get().clockOffsetMs;

  const reject = (reason: string) =>
    store.set({ rejected: { count: store.get().rejected.count + 1, lastReason: reason } });

  const intake = createIntake((batch) => {
    const { pulls, connection } = store.get();
    store.set({
      pulls: reducePulls(pulls, { type: 'received', pulls: batch }),
      connection: { ...connection, lastMessageAt: Date.now() },
    });
  }, reject);
  const polls = startPolls(store, api, () => {
    if (store.get().connection.phase === 'live') reconnect();
  });

  function connect() {
    const resumes = run !== undefined && Date.now() - lostAt < RESUME_WITHIN_MS;
    asked = resumes ? lastEventId : '';
    const from = asked === '' ? '' : `&lastEventId=${encodeURIComponent(asked)}`;
    const stream = new EventSource(`${api}events?layers=0&hello=1${from}`);
    stream.addEventListener('hello', ({ data }: MessageEvent<string>) => {
      try {
        onHello(stream, decodeHello(data));
      } catch (error) {
        reject(error instanceof Error ? error.message : String(error));
      }
    });
    stream.addEventListener('synced', onSynced);
    stream.onopen = () => {
      settleTimer = setTimeout(() => onNoHello(stream), SETTLE_MS);
    };
    stream.onmessage = (message: MessageEvent<string>) => onNoHello(stream, message);
    stream.onerror = reconnect;
    events = stream;
  }

  /** The first message says whose stream it is; nothing is taken from it before. Another run sends all. */
  function onHello(stream: EventSource, hello: Hello) {
    begin(stream, hello.run, asked === `${hello.run}.${String(hello.version)}`);
  }

  /** An older server, as during an update, says neither whose stream it is nor when all is sent. */
  function onNoHello(stream: EventSource, first?: MessageEvent<string>) {
    if (asked !== '') {
      askForAll();
      return;
    }
    begin(stream, undefined, false);
    settleTimer = setTimeout(onSynced, SETTLE_MS);
    if (first !== undefined) stream.onmessage?.(first);
  }

  function askForAll() {
    attempt = 0;
    run = undefined;
    reconnect();
  }

  function begin(stream: EventSource, ofRun: string | undefined, goesOn: boolean) {
    attempt = 0;
    clearTimeout(settleTimer);
    intake.flush();
    if (!goesOn) {
      // An id of another stream: its server has no reason to send again what is now unconfirmed.
      lastEventId = '';
      dispatch({ type: 'afresh' });
    }
    run = ofRun;
    synced = false;
    stream.onmessage = (message: MessageEvent<string>) => {
      lastEventId = message.lastEventId;
      intake.push(message.data);
    };
    store.set({ connection: { ...store.get().connection, phase: 'live' } });
    polls.now();
  }

  function onSynced() {
    intake.flush();
    synced = true;
    dispatch({ type: 'settled' });
  }

  /** Instead of the browser's own retry, which gives up on a 503. */
  function reconnect() {
    events?.close();
    clearTimeout(settleTimer);
    const { connection } = store.get();
    if (connection.phase === 'live') {
      lostAt = Date.now();
      store.set({ connection: { ...connection, phase: 'reconnecting' } });
    }
    const wait = RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)] ?? 0;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
  }

  let sampleTimer: ReturnType<typeof setTimeout> | undefined;
  function sample() {
    sampleTimer = setTimeout(sample, pastKnown ? SAMPLE_MS : FIRST_SAMPLES_MS);
    const { connection, pulls, summary, throughput } = store.get();
    if (connection.phase !== 'live' || summary === null) return;
    const now = serverNow();
    const past = pastKnown ? throughput : pastSamples(pulls.pulls.values(), now);
    pastKnown ||= synced;
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
    stop: () => {
      events?.close();
      clearTimeout(retryTimer);
      clearTimeout(settleTimer);
      clearTimeout(sampleTimer);
      clearInterval(expireTimer);
      intake.stop();
      polls.stop();
    },
  };
}
