// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Store, createStore } from '../state/store';
import { FakeEventSource, RUN_1, newest } from '../testing/eventSource';
import { T0, wirePull } from '../testing/samples';
import { type Answers, NO_WISHES, startAnswers } from './answers';
import { type Source, startSource } from './source';

const RUN_2 = 'b'.repeat(16);

let store: Store;
let source: Source;
let answered: Answers;
/** What the server answers; a missing path is a server that is away. */
let answers: Record<string, object | (() => object)>;
let asked: string[];

const summary =
  (offsetMs = 0, bytesPerSec = 7) =>
  () => ({
    bytesPerSec,
    nodesReporting: 2,
    nodesSilent: 0,
    historySeconds: 600,
    now: new Date(Date.now() + offsetMs).toISOString(),
  });

beforeEach(() => {
  vi.useFakeTimers({ now: T0 });
  FakeEventSource.all.length = 0;
  answers = { summary: summary() };
  asked = [];
  vi.stubGlobal('EventSource', FakeEventSource);
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url);
    const answer = answers[url.replace('api/v1/', '')];
    if (answer === undefined) return Promise.reject(new TypeError('away'));
    let body: unknown;
    try {
      body = typeof answer === 'function' ? answer() : answer;
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- as fetch does
      return Promise.reject(error);
    }
    if (body instanceof Response) return Promise.resolve(body);
    return Promise.resolve(new Response(JSON.stringify(body)));
  });
  store = createStore();
  source = startSource(store, 'api/v1/');
  answered = startAnswers(store, 'api/v1/');
});

afterEach(() => {
  source.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const ids = () => [...store.get().pulls.pulls.keys()];
const run = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('the stream', () => {
  it('brings the snapshot and then changes into the store', async () => {
    expect(newest().url).toBe('api/v1/events?layers=0&hello=1');
    expect(store.get().connection.phase).toBe('connecting');
    newest().hello();
    newest().send(1, { id: 'a' });
    newest().send(2, { id: 'b' });
    await run(100);
    expect(store.get().connection.phase).toBe('live');
    expect(ids()).toEqual(['a', 'b']);
    newest().send(3, { id: 'a', percent: 77 });
    await run(100);
    expect(store.get().pulls.pulls.get('a')?.percent).toBe(77);
  });

  it('keeps what has come while the server answers nothing else', async () => {
    delete answers.summary;
    newest().hello();
    newest().send(1, { id: 'a' });
    await run(1000);
    answers.summary = summary();
    await run(8000);
    expect(ids()).toEqual(['a']);
  });

  it('draws once for what comes within one frame', async () => {
    newest().hello();
    await run(100);
    const drawn = vi.fn();
    store.subscribe(drawn);
    for (let index = 0; index < 50; index++) newest().send(index, { id: `p${index}` });
    await run(40);
    expect(store.get().pulls.pulls.size).toBe(50);
    expect(drawn).toHaveBeenCalledTimes(1);
  });

  it('commits at most four times a second while many pulls change', async () => {
    newest().hello();
    const commits = new Set<unknown>();
    store.subscribe(() => commits.add(store.get().pulls));
    for (let tick = 0; tick < 20; tick++) {
      for (let index = 0; index < 200; index++) {
        newest().send(index, { id: `p${index}`, downloadedBytes: tick });
      }
      await run(50);
    }
    await run(300);
    expect(store.get().pulls.pulls.get('p7')?.downloadedBytes).toBe(19);
    expect(commits.size).toBeGreaterThan(2);
    expect(commits.size).toBeLessThanOrEqual(6);
  });

  it('takes a server that says no hello as one that sends everything', async () => {
    newest().onopen?.();
    newest().send(1, { id: 'a' });
    await run(100);
    expect(store.get().connection.phase).toBe('live');
    expect(ids()).toEqual(['a']);
    newest().onerror?.();
    await run(700);
    expect(newest().url).toBe('api/v1/events?layers=0&hello=1');
    newest().onopen?.();
    newest().send(1, { id: 'b' });
    await run(2900);
    expect(ids()).toEqual(['b']);
    await run(200);
    expect(ids()).toEqual(['b']);
  });

  it('is live with a server that says nothing, and counts a hello that it cannot read', async () => {
    newest().onopen?.();
    newest().named('hello', '{}');
    expect(store.get().rejected).toEqual({ count: 1, lastReason: 'run is missing' });
    expect(store.get().connection.phase).toBe('connecting');
    await run(3100);
    expect(store.get().connection.phase).toBe('live');
  });

  it('counts what it cannot read and goes on', async () => {
    newest().hello();
    newest().send(1, { totalBytes: 'many' });
    newest().send(2, { id: 'good' });
    await run(100);
    expect(store.get().rejected).toEqual({ count: 1, lastReason: 'totalBytes is not a number' });
    expect(ids()).toEqual(['good']);
  });
});

describe('a lost connection', () => {
  beforeEach(async () => {
    newest().hello();
    newest().send(1, { id: 'a' });
    newest().send(2, { id: 'b' });
    await run(3000);
    newest().onerror?.();
  });

  it('keeps the data and resumes by id', async () => {
    expect(store.get().connection.phase).toBe('reconnecting');
    expect(ids()).toEqual(['a', 'b']);
    expect(FakeEventSource.all[0]?.closed).toBe(true);
    await run(700);
    expect(newest().url).toBe(`api/v1/events?layers=0&hello=1&lastEventId=${RUN_1}.2`);
    newest().hello();
    expect(store.get().connection.phase).toBe('live');
    newest().send(3, { id: 'b', percent: 90 });
    await run(5000);
    expect(ids()).toEqual(['a', 'b']);
    expect(store.get().pulls.unconfirmed).toBeNull();
  });

  it('drops what a restarted server does not send', async () => {
    await run(700);
    newest().hello(RUN_2);
    newest().send(1, { id: 'b' });
    newest().send(2, { id: 'c', imageRef: 'redis:8' });
    await run(100);
    expect(ids()).toEqual(['a', 'b', 'c']);
    newest().synced();
    expect(ids()).toEqual(['b', 'c']);
  });

  it('never shows a pull twice that a restarted server has under another id', async () => {
    const sizes = new Set<number>();
    store.subscribe(() => sizes.add(ids().length));
    await run(700);
    newest().hello(RUN_2);
    newest().send(1, { id: 'c' });
    await run(100);
    expect(ids()).toEqual(['c']);
    newest().synced();
    await run(5000);
    expect(ids()).toEqual(['c']);
    expect([...sizes]).toEqual([2, 1]);
  });

  it('shows nothing of a stream before it knows which run it is of', async () => {
    await run(700);
    expect(newest().url).toBe(`api/v1/events?layers=0&hello=1&lastEventId=${RUN_1}.2`);
    newest().send(7, { id: 'c' });
    expect(newest().closed).toBe(true);
    await run(1000);
    expect(ids()).toEqual(['a', 'b']);
    expect(store.get().connection.phase).toBe('reconnecting');
    expect(newest().url).toBe('api/v1/events?layers=0&hello=1');
    newest().hello(RUN_2);
    newest().send(7, { id: 'c' });
    await run(100);
    expect(ids()).toEqual(['c']);
  });

  it('drops all if the new run has nothing, and not before it has said so', async () => {
    await run(4000);
    newest().hello(RUN_2);
    await run(20_000);
    expect(ids()).toEqual(['a', 'b']);
    newest().synced();
    expect(ids()).toEqual([]);
  });

  it('goes on behind no id of a run from which another one has taken over', async () => {
    await run(700);
    newest().hello(RUN_2);
    newest().onerror?.();
    await run(700);
    expect(newest().url).toBe('api/v1/events?layers=0&hello=1');
    newest().hello(RUN_1);
    newest().send(1, { id: 'a' });
    newest().send(2, { id: 'b' });
    newest().synced();
    expect(ids()).toEqual(['a', 'b']);
  });

  it('drops it also while news never stops', async () => {
    await run(700);
    newest().hello(RUN_2);
    for (let step = 0; step < 50; step++) {
      newest().send(step, { id: 'b', percent: step });
      if (step === 20) newest().synced();
      await run(100);
    }
    expect(ids()).toEqual(['b']);
  });

  it('takes all that a replica sends that does not know the id', async () => {
    await run(700);
    newest().hello(RUN_2, true);
    newest().send(1, { id: 'b' });
    newest().synced();
    expect(newest().closed).toBe(false);
    expect(ids()).toEqual(['b']);
  });

  it('asks for everything after a long absence', async () => {
    delete answers.summary;
    for (let tries = 0; tries < 40; tries++) {
      newest().onerror?.();
      await run(6000);
    }
    expect(newest().url).toBe('api/v1/events?layers=0&hello=1');
    answers.summary = summary();
    newest().hello();
    newest().send(9, { id: 'b' });
    newest().synced();
    expect(ids()).toEqual(['b']);
  });

  it('tries again and again, not more often than every few seconds', async () => {
    const before = FakeEventSource.all.length;
    for (let second = 0; second < 60; second++) {
      if (!newest().closed) newest().onerror?.();
      await run(1000);
    }
    const tries = FakeEventSource.all.length - before;
    expect(tries).toBeGreaterThan(8);
    expect(tries).toBeLessThan(25);
  });
});

it('takes a stream for dead when the server answers nothing else', async () => {
  newest().hello();
  await run(1000);
  expect(store.get().connection.phase).toBe('live');
  delete answers.summary;
  await run(12_000);
  expect(store.get().connection.phase).toBe('reconnecting');
  expect(FakeEventSource.all.length).toBeGreaterThan(1);
  answers.summary = summary();
  newest().hello();
  await run(10_000);
  expect(store.get().connection.phase).toBe('live');
});

it('takes a server that does not answer in time for away at once', async () => {
  newest().hello();
  await run(1000);
  answers.summary = () => {
    throw new DOMException('the time is up', 'TimeoutError');
  };
  await run(2000);
  expect(store.get().connection.phase).toBe('reconnecting');
});

describe('the open pull', () => {
  beforeEach(async () => {
    newest().hello();
    newest().send(1, { id: 'node/a' });
    await run(100);
    answers['pulls/node%2Fa'] = wirePull({
      id: 'node/a',
      layers: [{ digest: 'sha256:1', totalBytes: 2, downloadedBytes: 1 }],
    });
    answers['nodes?node=worker-1'] = {
      nodes: [
        {
          nodeName: 'worker-1',
          lastReportAt: '2026-11-21T10:00:00Z',
          activePulls: 2,
          bytesPerSec: 44,
        },
      ],
    };
    answered.wish({ ...NO_WISHES, open: 'node/a' });
    await run(10);
  });

  const questions = () => asked.filter((url) => url.includes('pulls/')).length;

  it('gets its layers, again at each news and not without', async () => {
    expect(store.get().detail?.layers).toHaveLength(1);
    expect(store.get().detail?.node?.bytesPerSec).toBe(44);
    await run(5000);
    expect(questions()).toBe(1);
    newest().send(2, { id: 'node/a', percent: 60 });
    await run(600);
    expect(questions()).toBe(2);
  });

  it('asks at most twice a second', async () => {
    for (let step = 0; step < 20; step++) {
      newest().send(step, { id: 'node/a', percent: 60 + step });
      await run(100);
    }
    expect(questions()).toBeLessThanOrEqual(6);
  });

  it('is forgotten when closed', async () => {
    answered.wish({ ...NO_WISHES, open: null });
    expect(store.get().detail).toBeNull();
    newest().send(2, { id: 'node/a', percent: 60 });
    await run(2000);
    expect(questions()).toBe(1);
  });

  it('is asked for again after no answer, and given up after a second 404', async () => {
    const again = async (answer: () => object, ms: number) => {
      answers['pulls/node%2Fb'] = answer;
      await run(ms);
    };
    newest().send(2, { id: 'node/b', phase: 'completed' });
    await run(100);
    answered.wish({ ...NO_WISHES, open: 'node/b' });
    await run(10);
    expect(store.get().detailTrouble).toBe('unanswered');
    const missing = () => new Response('{"error":"no such pull"}', { status: 404 });
    await again(missing, 2000);
    expect(store.get().detailTrouble).toBe('unanswered');
    await again(missing, 2000);
    expect(store.get().detailTrouble).toBe('unknown');
    const before = asked.length;
    await run(1000);
    expect(asked.slice(before).some((url) => url.includes('pulls/'))).toBe(false);
    answered.wish({ ...NO_WISHES, open: 'node/a' });
    expect(store.get().detailTrouble).toBeNull();
  });

  it('survives a server that does not answer', async () => {
    delete answers['pulls/node%2Fa'];
    newest().send(2, { id: 'node/a', percent: 60 });
    await run(1000);
    expect(store.get().detail?.layers).toHaveLength(1);
  });
});

describe('the throughput', () => {
  const drawn = () => store.get().throughput.map(({ bytesPerSec }) => bytesPerSec);
  const peak = () => Math.max(...drawn().slice(0, -1));
  const ended = (id: string, downloadedBytes: number) => ({
    id,
    phase: 'completed',
    startedAt: new Date(T0 - 60_000).toISOString(),
    completedAt: new Date(T0 - 50_000).toISOString(),
    downloadedBytes,
  });

  it('is drawn at once, and anew as long as the snapshot comes', async () => {
    newest().hello();
    newest().send(1, ended('a', 100));
    await run(300);
    expect(drawn()).toHaveLength(300);
    expect(drawn().at(-1)).toBe(7);
    expect(peak()).toBe(10);
    newest().send(2, ended('b', 100));
    await run(300);
    expect(drawn()).toHaveLength(300);
    expect(peak()).toBe(20);
  });

  it('has a sample a second once the snapshot is in', async () => {
    newest().hello();
    newest().send(1, ended('a', 100));
    newest().synced();
    await run(5000);
    answers.summary = summary(0, 9);
    newest().send(2, ended('b', 100));
    await run(4000);
    expect(peak()).toBe(10);
    expect(drawn()).toHaveLength(300);
    expect(drawn().slice(-2)).toEqual([9, 9]);
    const [before, last] = store.get().throughput.slice(-2);
    expect((last?.at ?? 0) - (before?.at ?? 0)).toBe(1000);
  });
});

it('asks for nodes only while they are wanted', async () => {
  await run(10_000);
  expect(asked.some((url) => url.endsWith('nodes'))).toBe(false);
  answers.nodes = { nodes: [] };
  answered.wish({ ...NO_WISHES, nodes: true });
  await run(10);
  expect(store.get().nodes).toEqual([]);
});

it('takes a clock that is far off from the server’s', async () => {
  answers.summary = summary(3600_000);
  newest().hello();
  await run(100);
  expect(store.get().clockOffsetMs).toBeGreaterThan(3590_000);
});

it('drops pulls that ended longer ago than the server keeps them', async () => {
  newest().hello();
  newest().send(1, { id: 'a', phase: 'completed', completedAt: new Date(T0).toISOString() });
  await run(100);
  expect(ids()).toEqual(['a']);
  vi.setSystemTime(T0 + 590_000);
  await run(6000);
  expect(ids()).toEqual(['a']);
  vi.setSystemTime(T0 + 601_000);
  await run(6000);
  expect(ids()).toEqual([]);
});

it('stops for good', async () => {
  newest().hello();
  source.stop();
  const before = asked.length;
  await run(60_000);
  expect(asked.length).toBe(before);
  expect(newest().closed).toBe(true);
  expect(FakeEventSource.all).toHaveLength(1);
});
