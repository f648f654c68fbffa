// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  activePull,
  addressOf,
  groupChoice,
  openPage,
  rowByKey,
  until,
  useBrowser,
  withoutTag,
} from './page.mjs';

useBrowser();

test(
  'filter, group, sort and open row are in the address; back undoes them',
  { timeout: 180_000 },
  async (t) => {
    const page = await openPage(t);
    const name = IMAGES[0].split('/').pop().split(':')[0];

    await page.locator('.search input').fill(`image:${name} `);
    await page.locator('.chip').waitFor();
    assert.equal(await addressOf(page), `?q=image:${name}`);
    await groupChoice(page, 'Image').click();
    await page.locator('.group-row').first().waitFor();
    await page.getByRole('button', { name: 'Size' }).click();
    const key = await activePull(page, IMAGES[0]);
    await rowByKey(page, key).click();
    await page.locator('.pull-detail').waitFor();
    const full = await addressOf(page);
    const params = new URLSearchParams(full);
    assert.deepEqual(
      [params.get('q'), params.get('group'), params.get('sort'), params.get('open')],
      [`image:${name}`, 'image', 'size', key],
    );

    await page.reload();
    await page.locator('.pull-detail').waitFor();
    assert.equal(await addressOf(page), full);
    assert.equal(await page.locator('.chip').textContent(), `image:${name}`);
    assert.equal(await page.locator('label.is-chosen').innerText(), 'Image');
    assert.equal(await page.locator('[aria-sort="ascending"]').innerText(), 'Size');

    await page.goBack();
    await page.locator('.pull-detail').waitFor({ state: 'detached' });
    await page.goBack();
    await until(
      'no sort',
      async () => (await page.locator('[aria-sort="ascending"]').count()) === 0,
    );
    await page.goBack();
    await page.locator('.group-row').first().waitFor({ state: 'detached' });
    await page.goBack();
    await page.locator('.chip').waitFor({ state: 'detached' });
    assert.equal(await addressOf(page), '');
    await page.goForward();
    await page.locator('.chip').waitFor();
  },
);

test('pages are steps for the back button', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t);
  await page.locator('.pull-row').first().waitFor();
  await page.getByRole('link', { name: 'Images' }).click();
  await page.locator('.image-row').first().waitFor();
  await page.getByRole('link', { name: 'Nodes' }).click();
  await page.locator('.node-tile').first().waitFor();
  // Pulls go on and fail all the time here, so it says how many.
  const title = /^(\d+ failed, )?\d+ (failed|pulling) · Nodes · Pulltrace$/;
  await until('its title', async () => title.test(await page.title()));
  await page.goBack();
  await page.locator('.image-row').first().waitFor();
  await page.goBack();
  await page.locator('.pull-row').first().waitFor();
});

test('sorting puts the rows in order', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '?sort=-image');
  await page.locator('.pull-row').nth(1).waitFor({ timeout: 60_000 });
  const names = await until('two active rows', async () => {
    const found = await page
      .locator('.pull-row:not(.is-over) .image-name')
      .evaluateAll((all) => all.map((one) => one.title));
    return new Set(found).size > 1 ? found : undefined;
  });
  assert.deepEqual(names, [...names].sort().reverse());
  await page.getByRole('button', { name: 'Image' }).first().click();
  await until('no sort', async () => (await addressOf(page)) === '');
});

test('what is worth copying can be copied', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const key = await activePull(page, IMAGES[0]);
  await rowByKey(page, key).click();
  await page.getByRole('button', { name: 'Copy reference' }).click();
  await page.getByText('copied').waitFor();
  assert.equal(
    withoutTag(await page.evaluate(() => navigator.clipboard.readText())),
    withoutTag(IMAGES[0]),
  );
  await page.getByRole('button', { name: 'Copy manifest' }).click();
  await until('the digest on the clipboard', async () =>
    /^sha256:[0-9a-f]{64}$/.test(await page.evaluate(() => navigator.clipboard.readText())),
  );
});
