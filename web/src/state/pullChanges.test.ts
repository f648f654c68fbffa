// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { makePull, pullMap } from '../testing/samples';
import { applyPullChanges, createPullDiff } from './pullChanges';

const a = makePull({ id: 'a', etaSeconds: 9 });
const b = makePull({ id: 'b' });

describe('the difference of two sets of pulls', () => {
  it('tells new pulls whole, then only what changed in them', () => {
    const diff = createPullDiff();
    expect(diff(pullMap(a, b))).toEqual({ added: [a, b], changed: [], gone: [] });
    const moved = { ...a, percent: 51, etaSeconds: undefined };
    expect(diff(pullMap(moved, b))).toEqual({
      added: [],
      changed: [['a', { percent: 51, etaSeconds: undefined }]],
      gone: [],
    });
  });

  it('is null when nothing changed, also for an equal copy', () => {
    const diff = createPullDiff();
    expect(diff(new Map())).toBeNull();
    diff(pullMap(a));
    expect(diff(pullMap(a))).toBeNull();
    expect(diff(pullMap({ ...a }))).toBeNull();
  });

  it('tells whose pods changed', () => {
    const diff = createPullDiff();
    diff(pullMap(a));
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    expect(diff(pullMap({ ...a, pods }))?.changed).toEqual([['a', { pods }]]);
  });

  it('tells a pull that went and came back whole again', () => {
    const diff = createPullDiff();
    diff(pullMap(a, b));
    expect(diff(pullMap(b))?.gone).toEqual(['a']);
    expect(diff(pullMap(a, b))?.added).toEqual([a]);
  });

  it('tells much in parts, and all of it in the end', () => {
    const many = Array.from({ length: 100 }, (_, index) => makePull({ id: `p${index}` }));
    const wanted = pullMap(...many);
    const diff = createPullDiff(40);
    let held: ReadonlyMap<string, (typeof many)[number]> = new Map();
    let parts = 0;
    for (let part = diff(wanted); part !== null; part = diff(wanted)) {
      expect(part.added.length).toBeLessThanOrEqual(10);
      held = applyPullChanges(held, part);
      parts++;
    }
    expect(parts).toBe(10);
    expect(held).toEqual(wanted);
  });
});

describe('applying it', () => {
  it('makes a new map and leaves the old, and unchanged pulls stay the same object', () => {
    const before = pullMap(a, b);
    const after = applyPullChanges(before, {
      added: [makePull({ id: 'c' })],
      changed: [['a', { percent: 60, etaSeconds: undefined }]],
      gone: [],
    });
    expect([...after.keys()]).toEqual(['a', 'b', 'c']);
    expect(after.get('a')).toMatchObject({ percent: 60, etaSeconds: undefined });
    expect(after.get('b')).toBe(b);
    expect(before.get('a')).toBe(a);
  });

  it('drops what is gone', () => {
    const after = applyPullChanges(pullMap(a, b), { added: [], changed: [], gone: ['a'] });
    expect([...after.keys()]).toEqual(['b']);
  });
});
