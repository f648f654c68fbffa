// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Store, createStore } from '../state/store';
import { makePull } from '../testing/samples';
import { NO_WISHES } from './answers';
import type { Update } from './mirror';
import { type RemoteSource, connectSource } from './remote';
import type { Command } from './worker';

class FakeWorker {
  static newest: FakeWorker;
  onmessage: ((message: { data: Update }) => void) | null = null;
  readonly sent: Command[] = [];

  constructor() {
    FakeWorker.newest = this;
  }

  postMessage(command: Command) {
    this.sent.push(command);
  }

  send(update: Update) {
    this.onmessage?.({ data: update });
  }
}

let tests = 0;
let store: Store;
let source: RemoteSource;
let drawFrame: (() => void) | undefined;
const added: Update = {
  rest: {},
  pulls: { added: [makePull()], changed: [], gone: [] },
  anew: false,
  more: false,
};
const taken = () => FakeWorker.newest.sent.filter(({ type }) => type === 'taken').length;

beforeEach(() => {
  vi.useFakeTimers();
  // The clock starts anew, and the inputs of the test before shall be long ago.
  vi.advanceTimersByTime(++tests * 60_000);
  vi.stubGlobal('Worker', FakeWorker);
  drawFrame = undefined;
  vi.stubGlobal('requestAnimationFrame', (draw: () => void) => {
    drawFrame = () => {
      drawFrame = undefined;
      draw();
    };
    return 1;
  });
  vi.stubGlobal('cancelAnimationFrame', () => undefined);
  store = createStore();
  source = connectSource(store);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('sends the worker where the API is, seen from the page', () => {
  expect(FakeWorker.newest.sent).toEqual([{ type: 'start', api: 'http://localhost:3000/api/v1/' }]);
});

it('takes one update a frame', () => {
  FakeWorker.newest.send(added);
  expect(store.get().pulls.pulls.size).toBe(1);
  expect(taken()).toBe(0);
  drawFrame?.();
  expect(taken()).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(taken()).toBe(1);
});

it('takes four updates a second while no frame is drawn', () => {
  FakeWorker.newest.send(added);
  vi.advanceTimersByTime(240);
  expect(taken()).toBe(0);
  vi.advanceTimersByTime(20);
  expect(taken()).toBe(1);
});

it('takes the next update when nobody scrolls or types any more', () => {
  FakeWorker.newest.send(added);
  window.dispatchEvent(new Event('wheel'));
  drawFrame?.();
  expect(taken()).toBe(0);
  vi.advanceTimersByTime(100);
  window.dispatchEvent(new Event('keydown'));
  vi.advanceTimersByTime(100);
  expect(taken()).toBe(0);
  vi.advanceTimersByTime(60);
  expect(taken()).toBe(1);
});

it('takes an update within a second from who never stops', () => {
  FakeWorker.newest.send(added);
  drawFrame?.();
  for (let ms = 0; ms < 1000; ms += 50) {
    window.dispatchEvent(new Event('scroll'));
    drawFrame?.();
    vi.advanceTimersByTime(50);
  }
  expect(taken()).toBe(1);
});

it('draws an update of several parts once, with the last', () => {
  FakeWorker.newest.send({ ...added, anew: false, more: true });
  expect(store.get().pulls.pulls.size).toBe(0);
  expect(drawFrame).toBeUndefined();
  FakeWorker.newest.send({ rest: {}, pulls: null, anew: false, more: false });
  expect(store.get().pulls.pulls.size).toBe(1);
  expect(drawFrame).toBeDefined();
});

it('hands on what the page wants to see', () => {
  const wishes = { open: 'a', nodes: true, registries: false, pod: null, older: null };
  source.wish(wishes);
  expect(FakeWorker.newest.sent.slice(1)).toEqual([{ type: 'wish', wishes }]);
});

class FakeSharedWorker {
  static newest: FakeSharedWorker;
  onerror: (() => void) | null = null;
  readonly port = {
    onmessage: null as FakeWorker['onmessage'],
    close: vi.fn(),
    postMessage: vi.fn(),
  };

  constructor() {
    FakeSharedWorker.newest = this;
  }
}

it.each(['fails', 'is silent', 'speaks'])(
  'has a thread of its own unless the shared one speaks: it %s',
  (how) => {
    vi.stubGlobal('SharedWorker', FakeSharedWorker);
    const before = FakeWorker.newest;
    const shares = connectSource(store);
    shares.wish({ ...NO_WISHES, nodes: true });
    const shared = FakeSharedWorker.newest;
    expect(FakeWorker.newest).toBe(before);
    if (how === 'fails') shared.onerror?.();
    if (how === 'speaks') shared.port.onmessage?.({ data: added });
    vi.advanceTimersByTime(5000);
    expect(shared.port.close).toHaveBeenCalledTimes(how === 'speaks' ? 0 : 1);
    if (how === 'speaks') expect(FakeWorker.newest).toBe(before);
    else expect(FakeWorker.newest.sent.map(({ type }) => type)).toEqual(['start', 'wish']);
  },
);
