// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FAILED_IMAGE,
  IMAGES,
  URL_OF_PAGE,
  activePull,
  addressOf,
  openPage,
  percentOf,
  rowByKey,
  rowsOf,
  until,
  useBrowser,
  withoutTag,
} from './page.mjs';

useBrowser();

/** Watches one pull until it ends; gives the percents that were seen and its last status. */
async function watch(page, key) {
  const row = rowByKey(page, key);
  const percents = [];
  const status = await until(`the end of ${key}`, async () => {
    const percent = await percentOf(row);
    if (percent !== undefined && percent !== percents.at(-1)) percents.push(percent);
    const word = await row.locator('.status-icon').getAttribute('title');
    return ['Completed', 'Failed'].includes(word) ? word : undefined;
  });
  percents.push(await percentOf(row));
  return { percents, status };
}

test(
  'each pull is a row that moves, reaches 100 % and completes',
  { timeout: 180_000 },
  async (t) => {
    const page = await openPage(t);
    await Promise.all(
      IMAGES.map(async (reference) => {
        const key = await activePull(page, reference);
        const { percents, status } = await watch(page, key);
        assert.equal(status, 'Completed', reference);
        assert.equal(percents.at(-1), 100, reference);
        assert.ok(new Set(percents).size >= 4, `${reference} moved: ${percents.join(' ')}`);
        assert.deepEqual(
          percents,
          [...percents].sort((a, b) => a - b),
          `${reference} never falls`,
        );
      }),
    );
  },
);

test(
  'two pulls at once are two rows, each with a size, a speed and a time',
  { timeout: 120_000 },
  async (t) => {
    const page = await openPage(t, '?q=status:downloading');
    const texts = await until('both images under way', async () => {
      const found = [];
      for (const reference of IMAGES) {
        const row = rowsOf(page, reference).first();
        if ((await row.count()) === 0) return undefined;
        found.push({
          speed: await row.locator('.cell-speed').innerText({ timeout: 500 }),
          size: await row.locator('.cell-size').innerText({ timeout: 500 }),
          elapsed: await row.locator('.cell-elapsed').innerText({ timeout: 500 }),
        });
      }
      const moving = found.every(({ speed, size }) => /[1-9]/.test(speed) && / of /.test(size));
      return moving ? found : undefined;
    });
    for (const { speed, size, elapsed } of texts) {
      assert.match(speed, /^[\d.]+ [KM]?B\/s$/);
      assert.match(size, /^[\d.]+ of [\d.]+ MB$/);
      assert.match(elapsed, /^\d/);
    }
    const active = page.getByRole('button', { name: /^Active pulls/ });
    await until('both counted', async () => {
      return Number(/\d+/.exec(await active.innerText())?.[0]) >= IMAGES.length;
    });
  },
);

test('figures are tabular, in the built page too', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t);
  await page.locator('.pull-row').first().waitFor();
  const style = (selector) =>
    page.evaluate((wanted) => {
      const { fontFamily, fontVariantNumeric } = getComputedStyle(document.querySelector(wanted));
      return [fontFamily.split(',')[0], fontVariantNumeric];
    }, selector);
  for (const selector of ['.cell-speed', '.cell-elapsed', '.strip-value']) {
    assert.deepEqual(await style(selector), ['Inter', 'tabular-nums'], selector);
  }
  await until('the font', () => page.evaluate(() => document.fonts.check('13px Inter')));
});

test('the first load is small', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, 'about:blank');
  const sizes = [];
  page.on('response', (response) => {
    // The chart and the other pages come later; the font of the digests comes with an open row.
    if (/Sparkline|otherPages|api/.test(response.url())) return;
    sizes.push(response.allHeaders().then((headers) => Number(headers['content-length'])));
  });
  await page.goto(URL_OF_PAGE);
  await page.locator('.pull-row').first().waitFor();
  await until('the font', () => page.evaluate(() => document.fonts.check('13px Inter')));
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${(bytes / 1024).toFixed(1)} KB compressed`);
  assert.ok(bytes > 50 * 1024 && bytes < 165 * 1024, `${bytes} B`);
});

test('an open row shows the layers, which move too', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  const key = await activePull(page, IMAGES[0]);
  await rowByKey(page, key).click();
  const layers = page.locator('.waterfall-row');
  await layers.first().waitFor();
  await until('all layers', async () => (await layers.count()) > 1);
  const digests = await page
    .locator('.waterfall-row code')
    .evaluateAll((all) => all.map((code) => code.title));
  assert.equal(new Set(digests).size, digests.length);
  for (const digest of digests) assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  const widths = () =>
    page.locator('.seg-download').evaluateAll((all) => all.map((bar) => bar.style.width).join(' '));
  const before = await widths();
  await until('a bar that grew', async () => (await widths()) !== before);
  await until('all layers extracted', async () => {
    const words = await page.locator('.waterfall-words').allInnerTexts();
    return words.every((word) => word === 'extracted' || word === 'already present');
  });
});

test('a failed pull says why', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '?q=status:failed');
  const row = rowsOf(page, FAILED_IMAGE).first();
  await row.waitFor({ timeout: 90_000 });
  await row.click();
  const failure = page.getByRole('region', { name: 'Failure' });
  await failure.waitFor();
  await until('its words', async () => (await failure.locator('code').innerText()).trim());
  const counted = page.getByRole('button', { name: /^Failed/ });
  await until('it counted', async () => {
    return Number(/\d+$/.exec((await counted.innerText()).trim())?.[0]) >= 1;
  });
  await page.locator('.search-clear').click();
  await rowsOf(page, FAILED_IMAGE, '.is-over').first().waitFor();
});

test(
  'the images page follows the rollout, the nodes page the node',
  { timeout: 60_000 },
  async (t) => {
    const page = await openPage(t, '?page=images');
    for (const reference of IMAGES) {
      await page
        .locator(`.image-row .image-name[title="${reference}"]`)
        .waitFor({ timeout: 30_000 });
    }
    await page.getByRole('link', { name: 'Nodes' }).click();
    const tile = page.locator('.node-tile').first();
    // A tile's words are empty until the browser has laid it out (content-visibility).
    await tile.getByText(/^reported (now|.* ago)$/).waitFor();
    await tile.getByText(/containerd/).waitFor();
    await tile.getByRole('button').click();
    await page.locator('.pull-row').first().waitFor();
    assert.match(await addressOf(page), /q=node:/);
    await page.getByRole('link', { name: 'Health' }).click();
    const host = IMAGES[0].split('/')[0];
    const registry = page.locator('.trace-tile', { has: page.getByRole('button', { name: host }) });
    await registry
      .first()
      .getByText(/now · \d+ active/)
      .waitFor();
    await registry.first().locator('path.trace-speed[d^=M]').waitFor({ state: 'attached' });
    assert.match(await page.getByRole('status').nth(1).innerText(), /troubled pull|no pull has/);
  },
);
