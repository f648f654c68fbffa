// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { type Store, createStore } from '../state/store';
import { makePull, pullMap } from '../testing/samples';
import { type Update, createReceiver, startMirror } from './mirror';

/** Two stores with a mirror between them; what was sent waits in `updates` until it is taken. */
function pair() {
  const from = createStore();
  const to = createStore();
  const updates: Update[] = [];
  const mirror = startMirror(from, (update) => updates.push(structuredClone(update)));
  const receive = createReceiver(to);
  const take = () => {
    for (const update of updates.splice(0)) if (receive(update)) mirror.taken();
  };
  return { from, to, updates, take };
}

const setPulls = (store: Store, ...pulls: ReturnType<typeof makePull>[]) =>
  store.set({ pulls: { pulls: pullMap(...pulls), unconfirmed: null } });
const microtasks = () => Promise.resolve();

describe('the mirror', () => {
  it('makes the other store the same', async () => {
    const { from, to, take } = pair();
    setPulls(from, makePull({ id: 'a' }), makePull({ id: 'b' }));
    from.set({ connection: { phase: 'live', lastMessageAt: 5 }, clockOffsetMs: 7 });
    await microtasks();
    take();
    setPulls(from, makePull({ id: 'a', percent: 80 }));
    await microtasks();
    take();
    expect(to.get().pulls.pulls).toEqual(pullMap(makePull({ id: 'a', percent: 80 })));
    expect(to.get().connection).toEqual({ phase: 'live', lastMessageAt: 5 });
    expect(to.get().clockOffsetMs).toBe(7);
  });

  it('sends changes of one turn at once', async () => {
    const { from, updates } = pair();
    setPulls(from, makePull());
    from.set({ clockOffsetMs: 7 });
    await microtasks();
    expect(updates).toHaveLength(1);
  });

  it('waits for a slow reader, who then gets the newest state', async () => {
    const { from, to, updates, take } = pair();
    for (const percent of [1, 2, 3, 4]) {
      setPulls(from, makePull({ percent }));
      await microtasks();
    }
    expect(updates).toHaveLength(1);
    take();
    await microtasks();
    expect(updates).toHaveLength(1);
    take();
    expect(to.get().pulls.pulls.get('pull-1')?.percent).toBe(4);
  });

  it('sends much in parts, which are shown together', async () => {
    const { from, to, updates, take } = pair();
    const many = Array.from({ length: 300 }, (_, index) => makePull({ id: `p${index}` }));
    setPulls(from, ...many);
    from.set({ clockOffsetMs: 7 });
    await microtasks();
    expect(updates.length).toBeGreaterThan(1);
    const sizes = new Set<number>();
    to.subscribe(() => sizes.add(to.get().pulls.pulls.size));
    take();
    expect([...sizes]).toEqual([300]);
    expect(to.get().clockOffsetMs).toBe(7);
  });

  it('says nothing when there is nothing new', async () => {
    const { from, updates, take } = pair();
    setPulls(from, makePull());
    await microtasks();
    take();
    await microtasks();
    setPulls(from, makePull());
    await microtasks();
    expect(updates).toEqual([]);
  });

  it('leaves a slice alone that did not change', async () => {
    const { from, to, take } = pair();
    setPulls(from, makePull());
    await microtasks();
    take();
    const { pulls } = to.get();
    from.set({ clockOffsetMs: 9 });
    await microtasks();
    take();
    expect(to.get().pulls).toBe(pulls);
  });
});
