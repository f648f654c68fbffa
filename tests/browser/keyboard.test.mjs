// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMAGES, activePull, addressOf, openPage, until, useBrowser } from './page.mjs';

useBrowser();

const focused = (page) =>
  page.evaluate(() => ({
    key: document.activeElement?.getAttribute('data-key'),
    label: document.activeElement?.getAttribute('aria-label'),
    tag: document.activeElement?.tagName,
  }));

test('everything can be done without a mouse', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  await activePull(page, IMAGES[0]);

  await page.keyboard.press('j');
  await until('focus on a row', async () => (await focused(page)).key);
  await page.keyboard.press('Enter');
  await page.locator('.pull-detail').waitFor();
  assert.match(await addressOf(page), /open=/);
  await page.keyboard.press('Escape');
  await page.locator('.pull-detail').waitFor({ state: 'detached' });
  assert.doesNotMatch(await addressOf(page), /open=/);

  await page.keyboard.press('/');
  await until('focus on the field', async () => (await focused(page)).label === 'Filter pulls');
  const name = IMAGES[1].split('/').pop().split(':')[0];
  await page.keyboard.type(`image:${name} `);
  await page.locator('.chip').waitFor();
  await until('only that image', async () => {
    const titles = await page
      .locator('.pull-row .image-name')
      .evaluateAll((all) => all.map((one) => one.title));
    return titles.length > 0 && titles.every((title) => title.includes(name));
  });
  await page.keyboard.press('Backspace');
  await page.locator('.chip').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');

  await page.locator('input[name="Group by"]:checked').focus();
  await page.keyboard.press('ArrowRight');
  await page.locator('.group-row').first().waitFor();
  assert.match(await addressOf(page), /group=image/);
  await page.keyboard.press('ArrowRight');
  await until('groups by node', async () => /group=node/.test(await addressOf(page)));

  // From the last control before the table, Tab leads over the heads into its rows.
  const sort = page.getByRole('button', { name: 'Speed' });
  await sort.focus();
  await page.keyboard.press('Enter');
  await page.locator('[aria-sort="ascending"]').waitFor();
  assert.match(await addressOf(page), /sort=speed/);
  for (let presses = 0; (await focused(page)).key === null; presses++) {
    assert.ok(presses < 10, 'Tab reaches the rows');
    await page.keyboard.press('Tab');
  }
  while (!/^group /.test((await focused(page)).key)) await page.keyboard.press('ArrowUp');
  const group = (await focused(page)).key;
  await page.locator('.pull-row').first().waitFor();
  await page.keyboard.press('Enter');
  await until('the group closed', async () => (await page.locator('.pull-row').count()) === 0);
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await until('focus on the next row', async () => {
    const { key } = await focused(page);
    return key !== null && key !== group;
  });
});

test('the focus can be seen', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t);
  await page.locator('.pull-row').first().waitFor();
  for (let presses = 0; presses < 16; presses++) {
    await page.keyboard.press('Tab');
    const [label, style, border] = await page.evaluate(() => {
      const at = document.activeElement;
      const shown = at.matches('.visually-hidden') ? at.closest('label') : at;
      const field = at.closest('.search') ?? at;
      return [
        at.outerHTML.slice(0, 80),
        getComputedStyle(shown).outlineStyle,
        getComputedStyle(field).borderColor,
      ];
    });
    const accent = border === 'rgb(91, 157, 255)';
    assert.ok(style !== 'none' || accent, `no focus ring on ${label}`);
  }
});
