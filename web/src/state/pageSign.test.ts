// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { SUMMARY } from '../testing/render';
import { T0, makePull } from '../testing/samples';
import { pageSign } from './pageSign';

const pulling = makePull();
const queued = makePull({ phase: 'queued' });
const failed = makePull({ phase: 'failed', error: 'no', completedAt: T0, waiting: true });
const past = makePull({ phase: 'failed', error: 'no', completedAt: T0, waiting: false });
const done = makePull({ phase: 'completed', completedAt: T0 });
const named = { ...SUMMARY, cluster: 'prod-eu-1' };

it.each([
  [[], null, 'Live', 'Live · Pulltrace', 'favicon'],
  [[done, past, queued], SUMMARY, 'Live', 'Live · Pulltrace', 'favicon'],
  [[done], named, 'Live', 'Live · prod-eu-1 · Pulltrace', 'favicon'],
  [[pulling, pulling, queued], SUMMARY, 'Live', '2 pulling · Pulltrace', 'favicon-pulling'],
  [
    [pulling, failed],
    named,
    'Live',
    '1 failed, 1 pulling · prod-eu-1 · Pulltrace',
    'favicon-failed',
  ],
  [[failed], named, 'Nodes', '1 failed · Nodes · prod-eu-1 · Pulltrace', 'favicon-failed'],
] as const)('%#: the tab says how the pulls stand', (pulls, summary, page, title, icon) => {
  expect(pageSign(pulls, summary, page)).toEqual({ title, icon });
});
