// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull, pullMap } from '../testing/samples';
import { compileQuery, parseQuery } from './query';
import {
  type Item,
  MOST_TO_LINGER,
  SORT_COLUMNS,
  type ViewOptions,
  createViewSelector,
} from './view';

const NOW = T0 + 60_000;

function options(pulls: Pull[], change: Partial<ViewOptions> = {}): ViewOptions {
  return {
    pulls: pullMap(...pulls),
    matches: null,
    sort: null,
    group: 'none',
    collapsed: new Set(),
    openId: null,
    arriving: false,
    crowded: pulls.filter((pull) => pull.completedAt === undefined).length > MOST_TO_LINGER,
    now: NOW,
    ...change,
  };
}

function keys(items: readonly Item[]): string[] {
  return items.map((item) => item.key);
}

const done = { phase: 'completed', completedAt: T0 + 1000 } as const;

describe('without a sort', () => {
  it('lists the longest running first, then what ended, newest first', () => {
    const { items, above, matched } = createViewSelector()(
      options([
        makePull({ id: 'done-early', ...done }),
        makePull({ id: 'young', startedAt: T0 + 500 }),
        makePull({ id: 'done-late', ...done, completedAt: T0 + 2000 }),
        makePull({ id: 'old', startedAt: T0 }),
      ]),
    );
    expect(keys(items)).toEqual(['old', 'young', 'section finished', 'done-late', 'done-early']);
    expect([above, matched]).toEqual([2, 4]);
  });

  it('says so when none is under way, unless a filter hides it', () => {
    const over = [makePull({ id: 'over', phase: 'completed', completedAt: NOW - 60_000 })];
    const label = (change: Partial<ViewOptions>) => {
      const [first] = createViewSelector()(options(over, change)).items;
      return first?.kind === 'section' ? first.label : undefined;
    };
    expect(label({})).toBe('No pull under way. Finished');
    expect(label({ matches: () => true })).toBe('Finished');
  });

  it('leaves a pull that just ended where it was, and a failed one while pods wait', () => {
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    const { items } = createViewSelector()(
      options([
        makePull({ id: 'just', startedAt: T0, phase: 'completed', completedAt: NOW - 1000 }),
        makePull({ id: 'failed', startedAt: T0 + 1, phase: 'failed', completedAt: T0, pods }),
        makePull({ id: 'given-up', startedAt: T0, phase: 'failed', completedAt: T0 }),
        makePull({ id: 'gone', phase: 'failed', completedAt: T0 - 1, pods, waiting: false }),
      ]),
    );
    expect(keys(items)).toEqual(['just', 'failed', 'section finished', 'given-up', 'gone']);
  });

  it('leaves the place of what just ended to others where very many end', () => {
    const just = makePull({ id: 'just', startedAt: T0, phase: 'completed', completedAt: NOW - 1 });
    const active = Array.from({ length: 600 }, (_, index) => makePull({ id: `p${index}` }));
    const first = (pulls: Pull[]) => keys(createViewSelector()(options(pulls)).items)[0];
    expect(first([just, ...active.slice(0, 10)])).toBe('just');
    expect(first([just, ...active])).toBe('p0');
  });
});

describe('sort', () => {
  const small = makePull({ id: 'small', nodeName: 'b', totalBytes: 1, bytesPerSec: 9, percent: 1 });
  const large = makePull({ id: 'large', nodeName: 'a', totalBytes: 9, bytesPerSec: 1, percent: 9 });

  it.each([
    ['size', false, ['small', 'large']],
    ['size', true, ['large', 'small']],
    ['speed', false, ['large', 'small']],
    ['node', false, ['large', 'small']],
    ['progress', true, ['large', 'small']],
  ] as const)('by %s, descending: %s', (column, descending, expected) => {
    const view = createViewSelector()(options([small, large], { sort: { column, descending } }));
    expect(keys(view.items)).toEqual(expected);
  });

  it.each(SORT_COLUMNS)('by %s keeps every pull and active ones above finished', (column) => {
    const over = makePull({ id: 'over', ...done });
    const view = createViewSelector()(
      options([over, small, large], { sort: { column, descending: true } }),
    );
    expect(keys(view.items).slice(2)).toEqual(['section finished', 'over']);
    expect(view.matched).toBe(3);
  });

  it('follows changes between calls', () => {
    const select = createViewSelector();
    const sort = { column: 'size', descending: false } as const;
    select(options([small, large], { sort }));
    const grown = { ...small, totalBytes: 10 };
    const view = select(options([grown, large, makePull({ id: 'new', totalBytes: 5 })], { sort }));
    expect(keys(view.items)).toEqual(['new', 'large', 'small']);
    expect(keys(select(options([large], { sort })).items)).toEqual(['large']);
  });
});

it('puts the detail under the open row', () => {
  const { items } = createViewSelector()(
    options([makePull({ id: 'a' }), makePull({ id: 'b', startedAt: T0 + 1 })], { openId: 'a' }),
  );
  expect(keys(items)).toEqual(['a', 'a detail', 'b']);
});

it('filters', () => {
  const matches = compileQuery(parseQuery('node:x'));
  const view = createViewSelector()(
    options([makePull({ id: 'a', nodeName: 'x' }), makePull({ id: 'b', nodeName: 'y' })], {
      matches,
    }),
  );
  expect(keys(view.items)).toEqual(['a']);
});

it('stays right while pulls come, go and come back, whatever their order', () => {
  const select = createViewSelector();
  const pull = (id: string, startedAt: number) => makePull({ id, startedAt });
  for (const ids of ['abc', 'bc', 'bcd', 'bcda', 'a', '', 'ba', 'abx', 'xba']) {
    const wanted = ids.split('');
    const pulls = wanted.map((id, index) => pull(id, T0 - index));
    expect(keys(select(options(pulls)).items)).toEqual(wanted.reverse());
  }
});

describe('groups', () => {
  const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
  const pulls = [
    makePull({ id: 'a', nodeName: 'n1', pods, readyEtaSeconds: 5 }),
    makePull({ id: 'b', nodeName: 'n2', readyEtaSeconds: 40 }),
    makePull({ id: 'c', nodeName: 'n1', phase: 'failed', completedAt: T0, error: 'no' }),
    makePull({ id: 'd', nodeName: 'n1', ...done }),
  ];

  it('gather by node with their totals', () => {
    const { items } = createViewSelector()(options(pulls, { group: 'node' }));
    expect(keys(items)).toEqual(['group n1', 'a', 'd', 'c', 'group n2', 'b']);
    expect(items[0]).toMatchObject({
      label: 'n1',
      totals: { active: 1, failed: 1, done: 1, bytesPerSec: 10 * 1024 * 1024 },
    });
  });

  it('say of how many it is known when they are ready', () => {
    const stalled = makePull({ id: 'e', nodeName: 'n2', stalledSeconds: 57, readyEtaSeconds: 1 });
    const more = [...pulls, stalled, makePull({ id: 'f', nodeName: 'n2', phase: 'resolving' })];
    const { items } = createViewSelector()(options(more, { group: 'node' }));
    const ready = items.flatMap((item) => (item.kind === 'group' ? [item.totals.ready] : []));
    expect(ready).toEqual([
      { seconds: 5, percent: 66, unknown: 0 },
      { seconds: 40, percent: 33, unknown: 2 },
    ]);
  });

  it('gather by image and by namespace', () => {
    const view = (group: 'image' | 'namespace') =>
      keys(createViewSelector()(options(pulls, { group })).items).filter((key) =>
        key.startsWith('group'),
      );
    expect(view('image')).toEqual(['group ghcr.io/acme/frontend:1.204.0']);
    expect(view('namespace')).toEqual(['group shop', 'group no pod waits']);
  });

  it('hide the pulls of a collapsed one', () => {
    const collapsed = new Set(['group n1']);
    const { items } = createViewSelector()(options(pulls, { group: 'node', collapsed }));
    expect(keys(items)).toEqual(['group n1', 'group n2', 'b']);
  });
});

it('sorts by pods, however many of their containers wait', () => {
  const pod = (podName: string, container: string) => ({ namespace: 'shop', podName, container });
  const many = [pod('a', '1'), pod('a', '2'), pod('a', '3')];
  const { items } = createViewSelector()(
    options(
      [
        makePull({ id: 'one', pods: many }),
        makePull({ id: 'two', pods: [pod('a', '1'), pod('b', '1')] }),
      ],
      { sort: { column: 'pods', descending: true } },
    ),
  );
  expect(keys(items)).toEqual(['two', 'one']);
});
