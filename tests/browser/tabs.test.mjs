// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  METRICS,
  URL_OF_PAGE,
  activePull,
  openPage,
  percentOf,
  rowByKey,
  until,
  useBrowser,
} from './page.mjs';

useBrowser();

/** Event streams that the server serves now, to all browsers. */
async function streams() {
  const metrics = await (await fetch(METRICS)).text();
  return Number(/^pulltrace_sse_clients_active (\d+)$/m.exec(metrics)?.[1]);
}

/** A second tab of the same browser. */
async function openTab(page) {
  const tab = await page.context().newPage();
  await tab.goto(URL_OF_PAGE);
  return tab;
}

/** Waits for a pull in `page` whose progress moves from now on. */
async function assertMoves(page) {
  await until('a pull that moves', async () => {
    const row = rowByKey(page, await activePull(page, IMAGES[0]));
    const first = await percentOf(row);
    if (first === undefined) return undefined;
    const grew = async () => (await percentOf(row)) > first;
    return until('a greater percent', grew, 10_000).catch(() => undefined);
  });
}

test(
  'tabs of one browser share a stream, and one’s end is not the other’s',
  {
    timeout: 120_000,
  },
  async (t) => {
    const first = await openPage(t);
    await assertMoves(first);
    assert.equal(await streams(), 1);
    const second = await openTab(first);
    await assertMoves(second);
    assert.equal(await streams(), 1);

    await first.close();
    await assertMoves(second);
    assert.equal(await streams(), 1);

    const third = await openTab(second);
    await assertMoves(third);
    assert.equal(await streams(), 1);
    await third.close();
    await second.close();
    await until('no stream without a page', async () => (await streams()) === 0);
  },
);

test('each tab has its own open row', { timeout: 120_000 }, async (t) => {
  const first = await openPage(t);
  const second = await openTab(first);
  const digests = [];
  for (const [index, page] of [first, second].entries()) {
    await rowByKey(page, await activePull(page, IMAGES[index])).click();
    const layer = page.locator('.waterfall-row code').first();
    digests.push(await layer.getAttribute('title'));
  }
  assert.notEqual(digests[0], digests[1]);
  const kept = await first.locator('.waterfall-row code').first().getAttribute('title');
  assert.equal(kept, digests[0]);
});

test(
  'a browser without shared workers has a stream for each tab',
  {
    timeout: 120_000,
  },
  async (t) => {
    const first = await openPage(t, 'about:blank');
    await first.context().addInitScript(() => delete window.SharedWorker);
    await first.goto(URL_OF_PAGE);
    await assertMoves(first);
    const second = await openTab(first);
    await assertMoves(second);
    assert.equal(await streams(), 2);
    await first.close();
    await assertMoves(second);
    assert.equal(await streams(), 1);
  },
);

test('a shared worker that cannot be loaded is done without', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, 'about:blank');
  await page.addInitScript(() => {
    const Real = window.SharedWorker;
    window.SharedWorker = function (address, options) {
      return new Real(String(address).replace('worker-', 'no-worker-'), options);
    };
  });
  await page.goto(URL_OF_PAGE);
  await assertMoves(page);
});
