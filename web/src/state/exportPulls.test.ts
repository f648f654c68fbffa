// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import { type ExportFormat, exportPulls } from './exportPulls';

const failed = makePull({
  imageRef: 'ghcr.io/acme/typo:9',
  nodeName: 'n1',
  phase: 'failed',
  errorClass: 'not_found',
  error: 'no "such"\n| image',
  completedAt: T0 + 5000,
  waiting: true,
  queuedSeconds: 60,
  pods: [
    { namespace: 'shop', podName: 'a', container: 'x' },
    { namespace: 'shop', podName: 'a', container: 'y' },
  ],
});
const text = (format: ExportFormat, change: Partial<typeof failed> = {}) =>
  exportPulls(format, {
    pulls: [{ ...failed, ...change }],
    cluster: 'prod-eu-1',
    query: 'status:failed',
    now: T0 + 60_000,
    address: 'https://pulls.example/?q=status:failed',
  });

it('as Markdown: one row each, and nothing in a name is more than text', () => {
  const lines = text('Markdown', { imageRef: '<b>x</b>|[y](z)' }).split('\n');
  expect(lines[0]).toBe('Image pulls of prod-eu-1 at 2026-11-21T10:01:00Z, status:failed: 1');
  expect(lines[2]).toBe('<https://pulls.example/?q=status:failed>');
  expect(lines).toHaveLength(8);
  expect(lines[6]).toContain('| Failed | \\<b\\>x\\</b\\>\\|\\[y\\](z) | n1 | shop/a |');
  expect(lines[6]).toContain(
    '2026-11-21T09:59:00Z | 2026-11-21T10:00:05Z | not found | no "such" \\|',
  );
});

it.each([
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
  ['+1', `"'+1"`],
  ['-1', `"'-1"`],
  ['@SUM(A1)', `"'@SUM(A1)"`],
  [' =1', `"' =1"`],
  ['＝1', `"'＝1"`], // as wide as a Chinese sign, and a formula too
  ['\t=1', `"'\t=1"`],
  ['acme/web:1', '"acme/web:1"'],
])('as CSV, %j is text and no formula', (imageRef, cell) => {
  const row = text('CSV', { imageRef }).split('\r\n')[1] ?? '';
  expect(row).toContain(`"prod-eu-1","2026-11-21T10:01:00Z","Failed",${cell},"n1","shop/a",50,`);
});

it('as JSON, times in UTC', () => {
  expect(JSON.parse(text('JSON'))).toMatchObject({
    cluster: 'prod-eu-1',
    at: '2026-11-21T10:01:00Z',
    query: 'status:failed',
    pulls: [{ status: 'failed', pods: ['shop/a'], waitsSince: '2026-11-21T09:59:00Z' }],
  });
});
