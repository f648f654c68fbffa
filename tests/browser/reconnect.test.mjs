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
  withoutTag,
} from './page.mjs';

useBrowser();

/** Runs in the page: from now on notes the most rows at once that show a pull of `name` under way. */
function watchRows(name) {
  window.mostRows = 0;
  const look = () => {
    const images = document.querySelectorAll(
      '.pull-row:not(.is-over):has(.progress-bar) .image-name',
    );
    const rows = [...images].filter(({ title }) => title.startsWith(name)).length;
    window.mostRows = Math.max(window.mostRows, rows);
    requestAnimationFrame(look);
  };
  look();
}

test('a server that goes and comes back', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', {
    expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY/,
  });
  const state = page.getByRole('status');
  await until('live', async () => (await state.textContent()) === 'live');
  await activePull(page, IMAGES[0]);
  await page.evaluate(watchRows, withoutTag(IMAGES[0]));

  process.kill(LAB_PID, 'SIGUSR1');
  await until('the loss shown', async () =>
    /^reconnecting, last update \d+s ago$/.test(await state.textContent()),
  );
  const isGrey = () =>
    page
      .locator('[role=treegrid]')
      .evaluate((table) => /^grayscale/.test(getComputedStyle(table).filter));
  await until('the data in grey', isGrey);
  assert.ok((await page.locator('.pull-row').count()) > 0, 'the data stays');

  await until('live again', async () => (await state.textContent()) === 'live', 30_000);
  await until('the data in colour again', async () => !(await isGrey()));
  // The new run may name a pull with another id; the row of the run before then goes.
  const first = new Map();
  await until('progress after it', async () => {
    for (const row of await rowsOf(page, IMAGES[0], ':not(.is-over)').all()) {
      const key = await row.getAttribute('data-key', { timeout: 500 });
      const percent = await percentOf(row);
      if (percent > first.get(key)) return true;
      if (percent !== undefined && !first.has(key)) first.set(key, percent); // none at its start
    }
    return false;
  });

  // One pull of it goes on at a time: at no moment did one of the run before stand beside it.
  assert.equal(await page.evaluate(() => window.mostRows), 1);
});
