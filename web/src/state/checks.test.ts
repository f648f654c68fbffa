// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull, pullMap } from '../testing/samples';
import { checksOf, foldedChecks } from './checks';
import { createOverviewSelector } from './overview';
import type { PullPredicate } from './query';
import { rolloutsOf } from './rollouts';
import { createViewSelector } from './view';

const DONE = { phase: 'completed', rootDigest: 'sha256:aa', completedAt: T0 + 30_000 } as const;

const brought = makePull({ ...DONE, id: 'brought', kind: 'pull' });

function check(id: string, seconds: number, change: Partial<Pull> = {}): Pull {
  const startedAt = T0 + seconds * 1000;
  return makePull({ ...DONE, id, kind: 'check', startedAt, completedAt: startedAt, ...change });
}

function rowsOf(
  pulls: ReadonlyMap<string, Pull>,
  openId: string | null = null,
  matches: PullPredicate | null = null,
): string[] {
  const view = createViewSelector()({
    pulls,
    matches,
    sort: null,
    group: 'none',
    collapsed: new Set(),
    openId,
    arriving: false,
    crowded: false,
    now: T0 + 600_000,
  });
  return view.items.filter((item) => item.kind === 'pull').map((item) => item.key);
}

describe('checks', () => {
  it('are folded into the pull that has brought the image', () => {
    const pulls = pullMap(brought, check('one', 31), check('two', 32));
    expect([...foldedChecks(pulls)]).toEqual(['one', 'two']);
    expect(rowsOf(pulls)).toEqual(['brought']);
    expect(checksOf(pulls, brought).map(({ id }) => id)).toEqual(['two', 'one']);
  });

  it('are folded while they still run', () => {
    const running = check('one', 31, { phase: 'downloading', completedAt: undefined });
    expect(rowsOf(pullMap(brought, running))).toEqual(['brought']);
  });

  it('leave one row for each image and node when that pull is not at hand', () => {
    const pulls = pullMap(
      check('one', 31),
      check('three', 33),
      check('two', 32),
      check('elsewhere', 30, { nodeName: 'worker-2' }),
      check('other', 29, { rootDigest: 'sha256:bb' }),
    );
    expect(rowsOf(pulls)).toEqual(['three', 'elsewhere', 'other']);
    expect(checksOf(pulls, check('three', 33)).map(({ id }) => id)).toEqual(['two', 'one']);
  });

  it('come back one by one when the pull leaves', () => {
    const select = createViewSelector();
    const options = {
      matches: null,
      sort: null,
      group: 'none',
      collapsed: new Set<string>(),
      openId: null,
      arriving: false,
      crowded: false,
      now: T0 + 600_000,
    } as const;
    const later = makePull({ id: 'later', startedAt: T0 + 50_000 });
    select({ ...options, pulls: pullMap(brought, check('one', 31), later) });
    const { items } = select({ ...options, pulls: pullMap(check('one', 31), later) });
    const rows = items.filter((item) => item.kind === 'pull').map((item) => item.key);
    expect(rows).toEqual(['later', 'one']);
  });

  it('have a row when they are linked to, and when they fail', () => {
    const pulls = pullMap(brought, check('one', 31), check('two', 32));
    expect(rowsOf(pulls, 'one')).toEqual(['one', 'brought']);
    const failed = check('bad', 33, { phase: 'failed', error: 'no' });
    expect(rowsOf(pullMap(brought, failed))).toContain('bad');
  });

  it('are found by their own pod', () => {
    const pod = { namespace: 'shop', podName: 'later', container: 'main' };
    const pulls = pullMap(brought, check('one', 31), check('two', 32, { pods: [pod] }));
    expect(rowsOf(pulls, null, (pull) => pull.pods.length > 0)).toEqual(['two']);
  });

  it('cost nothing where there are none', () => {
    const pulls = pullMap(brought);
    expect(foldedChecks(pulls)).toBe(foldedChecks(pullMap()));
  });

  it('are in no figure of pulls', () => {
    const pulls = pullMap(brought, check('one', 31), check('two', 32));
    expect(createOverviewSelector()(pulls)).toMatchObject({ active: 0, durations: [30] });
    const running = check('one', 31, { phase: 'resolving', completedAt: undefined });
    expect(createOverviewSelector()(pullMap(brought, running))).toMatchObject({ active: 0 });
  });

  it('do not take the place of the pull in a rollout', () => {
    const running = check('one', 31, { phase: 'resolving', completedAt: undefined });
    for (const pulls of [pullMap(brought, running), pullMap(check('one', 31), brought)]) {
      const [rollout] = rolloutsOf(pulls);
      expect(rollout).toMatchObject({ done: 1, active: 0, startedAt: T0 });
    }
  });
});
