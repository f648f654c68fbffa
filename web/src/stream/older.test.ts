// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makePull, pullMap, wirePull } from '../testing/samples';
import type { Pull } from '../model/pull';
import { MAX_FINISHED } from '../state/pulls';
import { createStore } from '../state/store';
import { startOlder } from './older';

const answer = (ids: string[], nextCursor?: string) =>
  new Response(JSON.stringify({ pulls: ids.map((id) => wirePull({ id })), nextCursor }));
const asked: string[] = [];
let answers: (() => Response)[] = [];

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(new URL(address, 'http://x/').search);
    return Promise.resolve(answers.shift()?.() ?? new Response('', { status: 503 }));
  });
});
afterEach(() => vi.unstubAllGlobals());

function start() {
  const store = createStore();
  store.set({
    pulls: { pulls: pullMap(makePull({ id: 'a' }), makePull({ id: 'b' })), unconfirmed: null },
  });
  const shown = () => store.get().older?.pulls.map(({ id }) => id);
  const state = () => store.get().older?.state;
  return { older: startOlder(store, 'http://x/api/'), shown, state, store };
}

it('passes over what the stream has brought, until a page has others', async () => {
  answers = [() => answer(['a', 'b'], '2'), () => answer(['b', 'c'], '4'), () => answer(['d'])];
  const { older, shown, state, store } = start();
  older.want({ pages: 1, filter: '' });
  await vi.waitFor(() => expect(state()).toBe('there'));
  expect(shown()).toEqual(['c']);
  expect(asked[0]).toBe('?layers=0&status=completed&sort=-completedAt&limit=1000');
  expect(asked[1]).toMatch(/&cursor=2$/);
  older.want({ pages: 2, filter: '' });
  await vi.waitFor(() => expect(shown()).toEqual(['c', 'd']));
  expect(store.get().older?.more).toBe(false);
});

it('takes what the page lets go of meanwhile, so that nothing is missing between', async () => {
  const held = Array.from({ length: MAX_FINISHED }, (_, at) =>
    makePull({ id: `h${at}`, completedAt: at }),
  );
  const running = makePull({ id: 'runs' });
  answers = [() => answer(['h0', 'c'])];
  const { older, shown, store } = start();
  const hold = (...all: Pull[]) => {
    store.set({ pulls: { pulls: pullMap(...all), unconfirmed: null } });
  };
  const newer = makePull({ id: 'newer', completedAt: MAX_FINISHED });
  hold(...held, running);
  older.want({ pages: 1, filter: '' });
  await vi.waitFor(() => expect(shown()).toEqual(['c']));
  hold(...held, newer);
  hold(...held.slice(1), newer);
  expect(shown()).toEqual(['c', 'h0']);
  older.want(null);
  hold(...held.slice(1));
  expect(store.get().older).toBeNull();
});

it('begins anew with another filter, and forgets when nothing is wanted', async () => {
  answers = [() => answer(['c'], '2'), () => answer(['e'])];
  const { older, shown, store } = start();
  older.want({ pages: 1, filter: '' });
  await vi.waitFor(() => expect(shown()).toEqual(['c']));
  older.want({ pages: 1, filter: '&node=n1' });
  await vi.waitFor(() => expect(shown()).toEqual(['e']));
  expect(asked[1]).toMatch(/limit=1000&node=n1$/);
  older.want(null);
  expect(store.get().older).toBeNull();
});

it('says so when the server does not answer, and asks again when asked to', async () => {
  answers = [];
  const { older, shown, state } = start();
  older.want({ pages: 1, filter: '' });
  await vi.waitFor(() => expect(state()).toBe('unanswered'));
  answers = [() => answer(['c'])];
  older.want({ pages: 2, filter: '' });
  await vi.waitFor(() => expect(shown()).toEqual(['c']));
});
