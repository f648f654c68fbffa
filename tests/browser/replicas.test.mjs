// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  LAB_PID,
  SERVERS,
  activePull,
  openPage,
  percentOf,
  rowByKey,
  rowsOf,
  until,
  useBrowser,
} from './page.mjs';

useBrowser();

const isReady = (server) =>
  fetch(`${server}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );

/** Runs in the page: notes from now on, frame by frame, what a change of replica must not do. */
function watchList(key) {
  window.seen = { fewestRows: Infinity, withoutOpenRow: 0, withoutDetail: 0, doubled: 0, away: 0 };
  const look = () => {
    const rows = [...document.querySelectorAll('.pull-row')].map((row) => row.dataset.key);
    const { seen } = window;
    seen.fewestRows = Math.min(seen.fewestRows, rows.length);
    seen.withoutOpenRow += Number(!rows.includes(key));
    seen.withoutDetail += Number(document.querySelector('.pull-detail') === null);
    seen.doubled += Number(new Set(rows).size !== rows.length);
    seen.away += Number(document.querySelector('.is-reconnecting') !== null);
    requestAnimationFrame(look);
  };
  look();
}

test('a replica goes, and the page goes on with another one', { timeout: 180_000 }, async (t) => {
  const page = await openPage(t, '', {
    expected: /ERR_CONNECTION_RE|ERR_INCOMPLETE|ERR_EMPTY|status of 503/,
  });
  const state = page.getByRole('status');
  const isLive = async () => (await state.textContent()) === 'live';
  await until('live', isLive);
  const key = await activePull(page, IMAGES[0]);
  await rowByKey(page, key).click();
  await until('the open row', async () => (await page.locator('.pull-detail').count()) === 1);
  await page.evaluate(watchList, key);

  // One of the two has the stream: by turns, so that it is gone once at least.
  for (const server of SERVERS) {
    process.kill(LAB_PID, 'SIGUSR1');
    await until(`${server} away`, async () => !(await isReady(server)), 10_000);
    await until(`${server} ready again`, () => isReady(server));
    await until('live again', isLive, 15_000);
  }
  const seen = await page.evaluate(() => window.seen);
  assert.ok(seen.away > 0, 'the stream was lost once');
  assert.ok(seen.fewestRows > 0, 'the list was never empty');
  assert.deepEqual(
    { ...seen, fewestRows: 0, away: 0 },
    { fewestRows: 0, withoutOpenRow: 0, withoutDetail: 0, doubled: 0, away: 0 },
  );
  await until('progress after it', async () => {
    for (const row of await rowsOf(page, IMAGES[1], ':not(.is-over)').all()) {
      if ((await percentOf(row)) > 0) return true;
    }
    return false;
  });
});
