// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makePull, pullMap } from '../testing/samples';
import { type Store, createStore } from '../state/store';
import { NO_WISHES, type Wishes, startAnswers } from './answers';
import { type Client, type Hub, createHub } from './hub';
import { type Update, createReceiver } from './mirror';
import { startSource } from './source';

vi.mock('./source', () => ({ startSource: vi.fn() }));
vi.mock('./answers', async (original) => ({
  ...(await original<object>()),
  startAnswers: vi.fn(),
}));

const a = makePull({ id: 'a' });
const b = makePull({ id: 'b' });
let hub: Hub;
let answers: { wish: ReturnType<typeof vi.fn>; stop: ReturnType<typeof vi.fn> }[];
const shared = () => {
  const [store] = vi.mocked(startSource).mock.calls[0] ?? [];
  if (store === undefined) throw new Error('no source was started');
  return store;
};
const bring = async (...pulls: Parameters<typeof pullMap>) => {
  shared().set({ pulls: { pulls: pullMap(...pulls), unconfirmed: null } });
  await vi.advanceTimersByTimeAsync(1);
};

/** A page of the browser: what it knows, and how it takes an update. */
function openPage(): { client: Client; store: Store; take: () => Promise<void>; posted: Update[] } {
  const store = createStore();
  const receive = createReceiver(store);
  const posted: Update[] = [];
  const client = hub.connect((update) => {
    posted.push(update);
    receive(update);
  });
  client.receive({ type: 'start', api: 'api/v1/' });
  const take = async () => {
    client.receive({ type: 'taken' });
    await vi.advanceTimersByTimeAsync(1);
  };
  return { client, store, take, posted };
}
const ids = (store: Store) => [...store.get().pulls.pulls.keys()];

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  answers = [];
  vi.mocked(startAnswers).mockImplementation(() => {
    const made = { wish: vi.fn(), stop: vi.fn() };
    answers.push(made);
    return made;
  });
  hub = createHub();
});
afterEach(() => vi.useRealTimers());

it('two pages have one stream, and the second all that came before it', async () => {
  const first = openPage();
  await bring(a);
  const second = openPage();
  await vi.advanceTimersByTimeAsync(1);
  expect(startSource).toHaveBeenCalledTimes(1);
  expect(ids(first.store)).toEqual(['a']);
  expect(ids(second.store)).toEqual(['a']);
});

it('the stream goes on when the page that began it closes', async () => {
  const first = openPage();
  const second = openPage();
  await bring(a);
  await second.take();
  first.client.receive({ type: 'bye' });
  await bring(a, b);
  expect(ids(second.store)).toEqual(['a', 'b']);
  expect(ids(first.store)).toEqual(['a']);
});

it('a frozen page holds up no other, and has all when it wakes', async () => {
  const frozen = openPage();
  const other = openPage();
  await bring(a);
  await other.take();
  await bring(b);
  expect(ids(other.store)).toEqual(['b']);
  expect(frozen.posted).toHaveLength(1);
  await frozen.take();
  expect(ids(frozen.store)).toEqual(['b']);
});

it('a page that is silent for long costs nothing, and begins anew when it speaks', async () => {
  const page = openPage();
  const other = openPage();
  await bring(a);
  for (let minutes = 0; minutes < 4; minutes++) {
    other.client.receive({ type: 'here' });
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect(answers[0]?.stop).toHaveBeenCalled();
  await bring(b);
  page.client.receive({ type: 'here' });
  await vi.advanceTimersByTimeAsync(1);
  expect(ids(page.store)).toEqual(['b']);
});

it('each page has its own questions', () => {
  const [first, second] = [openPage(), openPage()];
  first.client.receive({ type: 'wish', wishes: { ...NO_WISHES, pod: 'shop/a' } });
  second.client.receive({ type: 'wish', wishes: { ...NO_WISHES, pod: 'shop/b' } });
  const asked = answers.map(({ wish }) => (wish.mock.lastCall as [Wishes] | undefined)?.[0].pod);
  expect(asked).toEqual(['shop/a', 'shop/b']);
});
