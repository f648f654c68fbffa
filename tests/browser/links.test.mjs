// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openPage, rowByKey, until, useBrowser } from './page.mjs';

useBrowser();

const HEIGHT = 420;

/** The key of a row far down, below two others. */
async function lastKey(page) {
  const row = await until('a third row', async () => {
    const rows = page.locator('.pull-row');
    return (await rows.count()) > 2 ? rows.last() : undefined;
  });
  return row.getAttribute('data-key');
}

const comesIntoSight = (row) =>
  until('its row in sight', async () => {
    const box = await row.boundingBox();
    return box !== null && box.y >= 0 && box.y < HEIGHT / 2;
  });

test('a link brings its pull into sight', { timeout: 120_000 }, async (t) => {
  const key = await lastKey(await openPage(t));
  const low = await openPage(t, `?open=${key}`, { viewport: { width: 1400, height: HEIGHT } });
  const linked = rowByKey(low, key);
  await linked.waitFor();
  await comesIntoSight(linked);
  await low.locator('.pull-detail').waitFor();
});

test('a link whose detail comes late has it in sight', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  const key = await lastKey(page);
  const late = await openPage(t, 'about:blank', { viewport: { width: 1400, height: HEIGHT } });
  let held;
  await late.route('**/assets/otherPages-*.js', (route) => {
    held = route;
  });
  await late.goto(`${new URL(page.url()).origin}/?open=${key}`);
  const linked = rowByKey(late, key);
  await linked.waitFor();
  await until('the page is live', () => late.getByText('live', { exact: true }).isVisible());
  await held.continue();
  await late.locator('.pull-detail').waitFor();
  await comesIntoSight(linked);
});

test('an opened row shows its layers without a scroll', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', { viewport: { width: 1400, height: HEIGHT + 200 } });
  const row = page.locator('.pull-row').nth(1);
  await row.waitFor({ timeout: 60_000 });
  await row.click();
  await until('the detail in sight', async () => {
    const box = await page.locator('.pull-detail').boundingBox();
    return box !== null && box.y + box.height <= HEIGHT + 200 + 1;
  });
});

test('an address of a pull that is not kept says so', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, `?open=${'0'.repeat(32)}`);
  await page.getByRole('note').waitFor({ timeout: 30_000 });
  await page.getByRole('button', { name: 'Show all pulls' }).click();
  await page.getByRole('note').waitFor({ state: 'detached' });
});

test('a phone shows percents and can sort', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', { viewport: { width: 390, height: 844 } });
  await until('a percent', () => page.locator('.cell-percent').first().isVisible());
  await page.getByLabel('Sort by').selectOption({ label: 'Image, descending' });
  assert.equal(new URL(page.url()).search, '?sort=-image');
  // What cannot be seen cannot be reached with the keyboard either.
  assert.equal(await page.locator('.sort-button').first().isVisible(), false);
});

test('all rows are printed', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', { viewport: { width: 1400, height: 300 } });
  const rows = page.locator('.pull-row');
  await rows.first().waitFor({ timeout: 60_000 });
  const total = Number(await page.getByRole('treegrid').getAttribute('aria-rowcount')) - 1;
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  await page.emulateMedia({ media: 'print' });
  await until('every row in the page', async () => {
    const shown = await page.locator('.pull-body > [role=row]').count();
    return shown >= total;
  });
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
});

test('a name is copied whole', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t);
  const name = page.locator('.pull-row .image-name:has(.image-repository)').first();
  await name.waitFor({ timeout: 60_000 });
  const [copied, title] = await name.evaluate((element) => {
    getSelection().selectAllChildren(element);
    const clipboardData = new DataTransfer();
    element.dispatchEvent(new ClipboardEvent('copy', { clipboardData, bubbles: true }));
    return [clipboardData.getData('text/plain'), element.title];
  });
  assert.equal(copied, title);
});

test('what the search leaves is handed over as a file', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '?q=status:failed');
  await page.locator('.pull-row').first().waitFor({ timeout: 90_000 });
  await page.getByRole('button', { name: 'Export' }).click();
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save CSV' }).click();
  const file = await saved;
  assert.equal(file.suggestedFilename(), 'pulls.csv');
  const lines = (await readFile(await file.path(), 'utf8')).trim().split('\r\n');
  assert.match(lines[0], /^"cluster","at","status","image"/);
  assert.ok(lines.slice(1).every((line) => line.includes('"Failed"')));
  assert.ok(lines.length > 1);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});
