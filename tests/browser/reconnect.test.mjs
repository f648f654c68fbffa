// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  LAB_PID,
  activePull,
  openPage,
  percentOf,
  rowsOf,
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

  process.kill(LAB_PID, 'SIGUSR1');
  await until('the loss told', async () =>
    /^reconnecting, last update \d+s ago$/.test(await state.textContent()),
  );
  const dimmed = () =>
    page
      .locator('[role=treegrid]')
      .evaluate((table) => Number(getComputedStyle(table).opacity) < 1);
  await until('the data dimmed', dimmed);
  assert.ok((await page.locator('.pull-row').count()) > 0, 'the data stays');

  await until('live again', async () => (await state.textContent()) === 'live', 30_000);
  assert.equal(await dimmed(), false);
  // The new run may tell a pull under another id; the row of the run before then goes.
  const first = new Map();
  await until('progress after it', async () => {
    for (const row of await rowsOf(page, IMAGES[0], ':not(.is-over)').all()) {
      const key = await row.getAttribute('data-key', { timeout: 500 });
      const percent = await percentOf(row);
      if (percent > first.get(key)) return true;
      if (!first.has(key)) first.set(key, percent);
    }
    return false;
  });

  // One pull of it goes on at a time: nothing of the run before is left over beside the new.
  await until(
    'one row a pull',
    async () => (await rowsOf(page, IMAGES[0], ':not(.is-over)').count()) === 1,
  );
});
