// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { makePull, pullMap } from '../testing/samples';
import { applyPullChanges, createPullDiff, partsOf } from './pullChanges';

const a = makePull({ id: 'a', etaSeconds: 9 });
const b = makePull({ id: 'b' });

describe('the difference of two sets of pulls', () => {
  it('has new pulls whole, then only what changed in them', () => {
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

  it('knows whose pods changed', () => {
    const diff = createPullDiff();
    diff(pullMap(a));
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    expect(diff(pullMap({ ...a, pods }))?.changed).toEqual([['a', { pods }]]);
  });

  it('has a pull that went and came back whole again', () => {
    const diff = createPullDiff();
    diff(pullMap(a, b));
    expect(diff(pullMap(b))?.gone).toEqual(['a']);
    expect(diff(pullMap(a, b))?.added).toEqual([a]);
  });

  it('has much in parts, and all of it in the end', () => {
    const many = Array.from({ length: 100 }, (_, index) => makePull({ id: `p${index}` }));
    const wanted = pullMap(...many);
    const diff = createPullDiff(40);
    const held = new Map<string, (typeof many)[number]>();
    let parts = 0;
    for (let part = diff(wanted); part !== null; part = diff(wanted)) {
      expect(part.added.length).toBeLessThanOrEqual(10);
      applyPullChanges(held, part);
      parts++;
    }
    expect(parts).toBe(10);
    expect(held).toEqual(wanted);
  });
});

it('divides changes into parts that cost about the same', () => {
  const fields = { percent: 60 };
  const changes = {
    added: [a, b],
    changed: ['c', 'd', 'e', 'f', 'g'].map((id) => [id, fields] as const),
    gone: ['h', 'i'],
  };
  const none = { added: [], changed: [], gone: [] };
  expect(partsOf(changes, 4)).toEqual([
    { ...none, added: [a] },
    { ...none, added: [b] },
    { ...none, changed: changes.changed.slice(0, 4) },
    { ...none, changed: changes.changed.slice(4) },
    { ...none, gone: ['h', 'i'] },
  ]);
});

describe('applying it', () => {
  it('changes the map, and unchanged pulls stay the same object', () => {
    const pulls = new Map(pullMap(a, b));
    applyPullChanges(pulls, {
      added: [makePull({ id: 'c' })],
      changed: [['a', { percent: 60, etaSeconds: undefined }]],
      gone: [],
    });
    expect([...pulls.keys()]).toEqual(['a', 'b', 'c']);
    expect(pulls.get('a')).toMatchObject({ percent: 60, etaSeconds: undefined });
    expect(pulls.get('a')).not.toBe(a);
    expect(pulls.get('b')).toBe(b);
  });

  it('drops what is gone', () => {
    const pulls = new Map(pullMap(a, b));
    applyPullChanges(pulls, { added: [], changed: [], gone: ['a'] });
    expect([...pulls.keys()]).toEqual(['b']);
  });
});
