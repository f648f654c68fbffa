// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../../web/dev/startServer.mjs';
import { heapsWith } from '../../web/bench/kept.mjs';
import { openPage, until, useBrowser } from './page.mjs';

useBrowser();

const KEPT = 100_000;
const MB = 1024 * 1024;

test('finished pulls that the server keeps cost at most 60 MB', { timeout: 300_000 }, async (t) => {
  const without = await heapsWith(0);
  const kept = await heapsWith(KEPT);
  const cost = (kept.page + kept.worker - without.page - without.worker) / MB;
  t.diagnostic(`${cost.toFixed(1)} MB, all there after ${kept.afterMs.toFixed(0)} ms`);
  assert.ok(cost <= 60, `${cost.toFixed(1)} MB`);
});

test('those beyond what the page holds come by the page', { timeout: 120_000 }, async (t) => {
  const server = await startServer({ pulls: 20, nodes: 50, finished: 21_500, failures: 0 });
  t.after(() => server.stop());
  const page = await openPage(t, 'about:blank', { origin: server.url });
  await page.goto(server.url);
  const note = page.locator('.older-pulls');
  await note.filter({ hasText: 'the newest 20,000 are listed.' }).waitFor({ timeout: 60_000 });
  const rows = async () => Number(await page.getByRole('treegrid').getAttribute('aria-rowcount'));
  // The page lets the oldest go a moment after they came; what still runs has rows besides.
  await until('no more rows than it holds', async () => (await rows()) <= 20_000 + 100);
  const before = await rows();
  await page.getByRole('button', { name: 'Show older ones' }).click();
  await note.filter({ hasText: /and [\d,]+ older ones/ }).waitFor({ timeout: 30_000 });
  await until('more rows', async () => (await rows()) > before);
  // A search begins anew, and those that it finds are asked for again.
  await page.goto(new URL('?q=node:=worker-001', server.url).href);
  await page.getByRole('button', { name: 'Show older ones' }).click({ timeout: 60_000 });
  await note.filter({ hasText: /, and [\d,]+ older ones?/ }).waitFor();
});
