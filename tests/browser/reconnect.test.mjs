// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  LAB_PID,
  activePull,
  openPage,
  percentOf,
  rowByKey,
  until,
  useBrowser,
} from './page.mjs';

useBrowser();

test('a server that goes and comes back', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', {
    expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY/,
  });
  const state = page.getByRole('status');
  await until('live', async () => (await state.textContent()) === 'live');
  await activePull(page, IMAGES[0]);
  const rows = await page.locator('.pull-row').count();

  process.kill(LAB_PID, 'SIGUSR1');
  await until('the loss told', async () =>
    /^reconnecting, last update \d+s ago$/.test(await state.textContent()),
  );
  const dimmed = () =>
    page
      .locator('[role=treegrid]')
      .evaluate((table) => Number(getComputedStyle(table).opacity) < 1);
  await until('the data dimmed', dimmed);
  assert.ok((await page.locator('.pull-row').count()) >= Math.min(rows, 1), 'the data stays');

  await until('live again', async () => (await state.textContent()) === 'live', 30_000);
  assert.equal(await dimmed(), false);
  const key = await activePull(page, IMAGES[0]);
  const before = await percentOf(rowByKey(page, key));
  await until('progress after it', async () => (await percentOf(rowByKey(page, key))) > before);

  // Each pull is told once: nothing of the run before is left over beside the new.
  await until('no row twice', async () => {
    const keys = await page
      .locator('.pull-row')
      .evaluateAll((all) => all.map((row) => row.dataset.key));
    return new Set(keys).size === keys.length;
  });
});
