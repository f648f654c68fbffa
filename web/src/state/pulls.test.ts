// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull } from '../testing/samples';
import { EMPTY, MAX_FINISHED, type PullsState, reducePulls } from './pulls';

function after(state: PullsState, ...pulls: ReturnType<typeof makePull>[]): PullsState {
  return reducePulls(state, { type: 'received', pulls });
}

describe('what the stream brings', () => {
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

describe('all that comes afresh', () => {
  const node = { nodeName: 'n1' };
  const before = after(EMPTY, makePull({ id: 'old', nodeName: 'n9' }), makePull({ id: 'kept' }));
  const afresh = (state: PullsState) => reducePulls(state, { type: 'afresh' });
  const settled = (state: PullsState) => reducePulls(state, { type: 'settled' });
  const ids = (state: PullsState) => [...state.pulls.keys()];

  it('drops in the end what has not come', () => {
    let state = afresh(before);
    expect(state.pulls).toBe(before.pulls);
    state = after(state, makePull({ id: 'kept' }), makePull({ id: 'new', ...node }));
    expect(ids(state)).toEqual(['old', 'kept', 'new']);
    state = settled(state);
    expect(ids(state)).toEqual(['kept', 'new']);
    expect(settled(state)).toBe(state);
  });

  it('drops all when nothing has come', () => {
    expect(settled(afresh(before)).pulls.size).toBe(0);
  });

  it('has nothing to do when nothing was held', () => {
    expect(afresh(EMPTY)).toBe(EMPTY);
  });

  it.each<[string, Partial<Pull>, Partial<Pull>]>([
    ['by its name', {}, {}],
    ['by its digest', { rootDigest: 'sha256:1' }, { rootDigest: 'sha256:1', imageRef: 'x' }],
    ['that has failed', { phase: 'failed', error: 'no' }, { phase: 'failed', error: 'no' }],
    ['that has ended meanwhile', {}, { phase: 'completed', completedAt: T0 }],
  ])('knows a pull again that has another id, %s', (_, old, now) => {
    const held = after(EMPTY, makePull({ id: 'a', ...node, ...old }));
    expect(ids(after(afresh(held), makePull({ id: 'b', ...node, ...now })))).toEqual(['b']);
    expect(ids(after(held, makePull({ id: 'b', ...node, ...now })))).toEqual(['a', 'b']);
  });

  it('does so too once it knows what the pull is of', () => {
    const digest = { ...node, rootDigest: 'sha256:1' };
    let state = afresh(after(EMPTY, makePull({ id: 'a', ...digest })));
    state = after(state, makePull({ id: 'b', ...node, imageRef: 'x', phase: 'resolving' }));
    state = after(state, makePull({ id: 'b', ...digest, imageRef: 'x' }));
    expect(ids(state)).toEqual(['b']);
  });

  it.each<[string, Partial<Pull>]>([
    ['another node', { nodeName: 'n2' }],
    ['another image', { imageRef: 'redis:8' }],
    ['one that is over', { phase: 'completed', completedAt: T0 }],
  ])('takes none for it of %s', (_, other) => {
    const held = after(EMPTY, makePull({ id: 'a', ...node, ...other }));
    expect(ids(after(afresh(held), makePull({ id: 'b', ...node })))).toEqual(['a', 'b']);
  });

  it('leaves two pulls of one image that both keep their ids', () => {
    const two = [makePull({ id: 'a', ...node }), makePull({ id: 'b', ...node })] as const;
    const state = afresh(after(EMPTY, ...two));
    expect(ids(after(after(state, two[1]), two[0]))).toEqual(['a', 'b']);
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

  it('bounds them as they come, and keeps what failed longest', () => {
    const failed = makePull({ id: 'failed', completedAt: T0 - 1e6, phase: 'failed' });
    let state = after(EMPTY, failed, makePull({ id: 'active' }));
    for (let from = 0; from < MAX_FINISHED + 5000; from += 5000) {
      const pulls = Array.from({ length: 5000 }, (_, index) =>
        makePull({ id: `p${from + index}`, completedAt: T0 + from + index, phase: 'completed' }),
      );
      state = after(state, ...pulls);
    }
    expect(state.pulls.size).toBe(MAX_FINISHED + 1);
    expect(state.pulls.has('failed')).toBe(true);
    expect(state.pulls.has('p0')).toBe(false);
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
