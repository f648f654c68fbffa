// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf } from '../../web/dev/driver.mjs';
import {
  FAILED_IMAGE,
  IMAGES,
  activePull,
  groupChoice,
  openPage,
  rowByKey,
  rowsOf,
  until,
  useBrowser,
} from './page.mjs';

useBrowser();

async function assertAccessible(page, what) {
  assert.deepEqual(await findingsOf(page), [], what);
}

for (const colorScheme of ['dark', 'light']) {
  test(`axe finds nothing, ${colorScheme}`, { timeout: 240_000 }, async (t) => {
    const page = await openPage(t, '', { colorScheme });
    const key = await activePull(page, IMAGES[0]);
    await assertAccessible(page, 'live');
    await rowByKey(page, key).click();
    await page.locator('.waterfall-row').first().waitFor();
    await assertAccessible(page, 'open row');
    await groupChoice(page, 'Node').click();
    await page.locator('.group-row').first().waitFor();
    await assertAccessible(page, 'grouped');
    await page.locator('.search input').fill('nothing-has-this-name');
    await page.getByText('No pull matches').waitFor();
    await assertAccessible(page, 'no match');
    await page.locator('.search-clear').click();
    await page.locator('.search input').fill('status:failed ');
    await rowsOf(page, FAILED_IMAGE).first().click({ timeout: 90_000 });
    await page.getByRole('region', { name: 'Failure' }).waitFor();
    await assertAccessible(page, 'failed row');
    await page.locator('.needs summary').first().click();
    await assertAccessible(page, 'what needs somebody, open');
    await page.getByRole('button', { name: 'Export' }).click();
    await page.getByRole('dialog', { name: 'Export' }).waitFor();
    await assertAccessible(page, 'export');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await assertAccessible(page, 'keys');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Images' }).click();
    await page.locator('.image-row').first().waitFor();
    await assertAccessible(page, 'images');
    await page.getByRole('link', { name: 'Nodes' }).click();
    await page.locator('.node-tile').first().waitFor();
    await assertAccessible(page, 'nodes');
    await page.getByRole('link', { name: 'Health' }).click();
    await page.locator('.trace-tile').first().waitFor();
    await assertAccessible(page, 'health');
  });
}

test('the theme can be chosen and is remembered', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, '', { colorScheme: 'dark' });
  const shows = (colour) =>
    until(colour, () =>
      page.evaluate((rgb) => getComputedStyle(document.body).backgroundColor === rgb, colour),
    );
  await shows('rgb(10, 13, 19)');
  await page.getByRole('button', { name: 'Theme: system' }).click();
  await page.getByRole('button', { name: 'Theme: dark' }).click();
  await shows('rgb(245, 246, 248)');
  await page.reload();
  await page.getByRole('button', { name: 'Theme: light' }).waitFor();
  await shows('rgb(245, 246, 248)');
});

test('nothing moves by itself for who wants it so', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, '?group=image', { reducedMotion: 'reduce' });
  const chevron = page.locator('.chevron').first();
  await chevron.waitFor();
  const moves = () => chevron.evaluate((of) => getComputedStyle(of).transitionDuration !== '0s');
  assert.equal(await moves(), false);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await until('it moves', moves);
});

/** How far the widest thing in the page, or in a row that hides what is too wide, sticks out. */
function overhang() {
  const rows = [...document.querySelectorAll('.pull-row, .image-row')].flatMap((row) =>
    [...row.children].map((cell) => cell.getBoundingClientRect().right - row.clientWidth),
  );
  const left = document.querySelector('[role=rowgroup]')?.getBoundingClientRect().left ?? 0;
  const page = document.documentElement.scrollWidth - innerWidth;
  return Math.max(page, ...rows.map((right) => right - left));
}

test('at 200 % a row is in the first screen of a laptop', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, '', { viewport: { width: 700, height: 450 } });
  const row = page.locator('.pull-row').first();
  await row.waitFor();
  await page.locator('.needs').waitFor();
  await until('a row in sight', async () => (await row.boundingBox())?.y < 450 - 20);
});

test('the page of a pod fits a phone', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, '', { viewport: { width: 390, height: 844 } });
  await page.locator('.pull-row .pod-link').first().click();
  await page.locator('.pod-story').waitFor();
  assert.ok((await page.evaluate(overhang)) <= 0.5);
  const over = await page
    .locator('.pod-story')
    .evaluate((box) => box.scrollWidth - box.clientWidth);
  assert.ok(over <= 0, `${over} px are cut off`);
});

for (const width of [390, 900, 1280, 2560]) {
  test(`nothing is cut off sideways, ${width} wide`, { timeout: 60_000 }, async (t) => {
    const page = await openPage(t, '', { viewport: { width, height: 844 } });
    await page.locator('.pull-row').first().waitFor();
    for (const path of ['', '?page=images', '?page=nodes', '?page=health']) {
      await page.goto(new URL(path, page.url()).href);
      await page.locator('.pull-row, .image-row, .node-tile, .trace-tile').first().waitFor();
      await page.evaluate(() => document.fonts.ready.then(() => undefined));
      assert.ok((await page.evaluate(overhang)) <= 0.5, path);
    }
  });
}
