// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import { EMPTY, MAX_FINISHED, type PullsState, reducePulls } from './pulls';

function after(state: PullsState, ...pulls: ReturnType<typeof makePull>[]): PullsState {
  return reducePulls(state, { type: 'told', pulls });
}

describe('what the stream tells', () => {
  it('adds and replaces pulls by id', () => {
    const one = after(EMPTY, makePull({ id: 'a' }), makePull({ id: 'b' }));
    const two = after(one, makePull({ id: 'a', percent: 60 }));
    expect([...two.pulls.keys()]).toEqual(['a', 'b']);
    expect(two.pulls.get('a')?.percent).toBe(60);
    expect(two.pulls.get('b')).toBe(one.pulls.get('b'));
  });

  it('returns the same object when nothing changed', () => {
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    const one = after(EMPTY, makePull({ pods }));
    expect(after(one, makePull({ pods: pods.map((pod) => ({ ...pod })) }))).toBe(one);
    expect(after(one)).toBe(one);
  });

  it('sees a change of the pods alone', () => {
    const pod = { namespace: 'shop', podName: 'web-0', container: 'main' };
    const one = after(EMPTY, makePull({ pods: [pod] }));
    const two = after(one, makePull({ pods: [{ ...pod, podName: 'web-1' }] }));
    expect(two.pulls.get('pull-1')?.pods[0]?.podName).toBe('web-1');
  });

  it('forgets what was cancelled', () => {
    const one = after(EMPTY, makePull({ id: 'a', phase: 'queued' }), makePull({ id: 'b' }));
    const two = after(one, makePull({ id: 'a', phase: 'cancelled' }));
    expect([...two.pulls.keys()]).toEqual(['b']);
    expect(after(two, makePull({ id: 'a', phase: 'cancelled' }))).toBe(two);
  });

  it('does not change the state it was given', () => {
    const one = after(EMPTY, makePull({ id: 'a' }));
    after(one, makePull({ id: 'b' }), makePull({ id: 'a', percent: 99 }));
    expect(one.pulls.size).toBe(1);
    expect(one.pulls.get('a')?.percent).toBe(50);
  });
});

describe('a new connection', () => {
  const before = after(EMPTY, makePull({ id: 'old' }), makePull({ id: 'kept' }));

  it('drops what a fresh snapshot did not tell', () => {
    let state = reducePulls(before, { type: 'connected' });
    expect(state.pulls).toBe(before.pulls);
    state = after(state, makePull({ id: 'kept' }), makePull({ id: 'new' }));
    state = reducePulls(state, { type: 'settled', fresh: true });
    expect([...state.pulls.keys()]).toEqual(['kept', 'new']);
    expect(reducePulls(state, { type: 'settled', fresh: true })).toBe(state);
  });

  it('drops all when the snapshot was empty', () => {
    const state = reducePulls(before, { type: 'connected' });
    expect(reducePulls(state, { type: 'settled', fresh: true }).pulls.size).toBe(0);
  });

  it('keeps all when the stream was resumed', () => {
    const state = after(reducePulls(before, { type: 'connected' }), makePull({ id: 'new' }));
    const settled = reducePulls(state, { type: 'settled', fresh: false });
    expect(settled.pulls.size).toBe(3);
    expect(settled.told).toBeNull();
  });

  it('has nothing to do when nothing was held', () => {
    expect(reducePulls(EMPTY, { type: 'connected' })).toBe(EMPTY);
  });
});

describe('expire', () => {
  it('drops pulls that ended longer ago than the server keeps them, and no other', () => {
    const historyMs = 60_000;
    const state = after(
      EMPTY,
      makePull({ id: 'active', startedAt: T0 - historyMs * 2 }),
      makePull({ id: 'recent', phase: 'completed', completedAt: T0 }),
      makePull({ id: 'old', phase: 'completed', completedAt: T0 - 2000 }),
    );
    const now = T0 + historyMs - 1000;
    const left = reducePulls(state, { type: 'expire', now, historyMs });
    expect([...left.pulls.keys()]).toEqual(['active', 'recent']);
    expect(reducePulls(left, { type: 'expire', now, historyMs })).toBe(left);
  });

  it('bounds the finished pulls, the oldest go first', () => {
    const pulls = Array.from({ length: MAX_FINISHED + 2 }, (_, index) =>
      makePull({ id: `p${index}`, completedAt: T0 - index, phase: 'completed' }),
    );
    const state = reducePulls(after(EMPTY, ...pulls), { type: 'expire', now: T0, historyMs: 1e9 });
    expect(state.pulls.size).toBe(MAX_FINISHED);
    expect(state.pulls.has('p0')).toBe(true);
    expect(state.pulls.has(`p${MAX_FINISHED + 1}`)).toBe(false);
  });
});
