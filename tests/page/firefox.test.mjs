// SPDX-License-Identifier: Apache-2.0
// The main path in Firefox, by WebDriver BiDi: https://www.w3.org/TR/webdriver-bidi/. Real pulls, as
// in tests/browser: `/usr/bin/python3 -m tests.integration.browser tests/page/firefox.test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';

const URL_OF_PAGE = process.env.PULLTRACE_URL;
const IMAGES = process.env.PULLTRACE_EXPECT_IMAGES.split(',');
const FAILED_IMAGE = process.env.PULLTRACE_FAILED_IMAGE;
const LAB_PID = Number(process.env.PULLTRACE_LAB_PID);

let browser;

before(async () => {
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
  });
});
after(() => browser.close());

/** Opens the page; the test fails if the page wrote an error to the console or threw one. */
async function openPage(t, path = '', expected = /^$/) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (!['error', 'warn'].includes(message.type())) return;
    if (!expected.test(message.text())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.setViewport({ width: 1400, height: 900 });
  await page.goto(new URL(path, URL_OF_PAGE).href);
  await page.waitForSelector('.pull-row, .image-row, .node-tile');
  return page;
}

/** What `probe` gives, as soon as it gives something. */
async function until(what, probe, timeoutMs = 60_000) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(100)) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value;
  }
  throw new assert.AssertionError({ message: `not within ${timeoutMs / 1000} s: ${what}` });
}

/** The rows in sight, as a reader sees them. */
function rowsOf(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll('.pull-row')].map((row) => ({
      key: row.dataset.key,
      image: row.querySelector('.image-name')?.title ?? '',
      status: row.querySelector('.status-icon')?.title,
      percent: /^(\d+)%$/.exec(row.querySelector('.cell-percent')?.textContent ?? '')?.[1],
      isOver: row.classList.contains('is-over'),
    })),
  );
}

/** Whether a row may be of an image, which has no tag until its node knows it. */
function isOf(row, reference) {
  return [reference, reference.replace(/:[^:/]*$/, '')].includes(row.image);
}

async function activeRow(page, reference) {
  return until(`a pull of ${reference} under way`, async () => {
    const rows = await rowsOf(page);
    return rows.find((row) => isOf(row, reference) && !row.isOver && Number(row.percent) < 70);
  });
}

test('a pull is a row that moves, reaches 100 % and completes', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  const { key } = await activeRow(page, IMAGES[0]);
  const percents = [];
  await until('its end', async () => {
    const row = (await rowsOf(page)).find((one) => one.key === key);
    if (row?.percent !== undefined) percents.push(Number(row.percent));
    return row?.status === 'Completed';
  });
  assert.equal(percents.at(-1), 100);
  assert.ok(new Set(percents).size >= 4, percents.join(' '));
  assert.deepEqual(
    percents,
    percents.toSorted((a, b) => a - b),
    'it never falls',
  );
});

test('an open row shows layers, its address and its sentence', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  const { key } = await activeRow(page, IMAGES[0]);
  await page.click(`.pull-row[data-key="${key}"]`);
  await page.waitForSelector('.waterfall-row');
  assert.match(await page.evaluate(() => location.search), /open=/);
  const words = await page.$eval('.pull-detail', (detail) => detail.textContent);
  assert.match(words, /agent/);
});

test('a failed pull says why, and a search finds it', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  await page.keyboard.press('/');
  await page.keyboard.type('status:failed ');
  const row = await until('a failed row', async () =>
    (await rowsOf(page)).find((one) => isOf(one, FAILED_IMAGE)),
  );
  await page.keyboard.press('Escape');
  await page.click(`.pull-row[data-key="${row.key}"]`);
  await page.waitForSelector('section[aria-label="Failure"] code');
});

test('keys walk the rows and open one', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.pull-detail');
  await page.keyboard.press('Escape');
  await until('it closed', () => page.evaluate(() => !document.querySelector('.pull-detail')));
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
});

test('images and nodes', { timeout: 60_000 }, async (t) => {
  const page = await openPage(t, '?page=images');
  await until('both images', async () => {
    const names = await page.$$eval('.image-row .image-name', (all) => all.map((of) => of.title));
    return IMAGES.every((image) => names.includes(image));
  });
  await page.goto(new URL('?page=nodes', URL_OF_PAGE).href);
  await page.waitForSelector('.node-tile');
});

test('the server goes away and comes back', { timeout: 90_000 }, async (t) => {
  const page = await openPage(t, '', /connection|NetworkError|can.t establish/i);
  process.kill(LAB_PID, 'SIGUSR1');
  await page.waitForSelector('main.is-stale');
  await page.waitForSelector('main:not(.is-stale)');
  await activeRow(page, IMAGES[0]);
});
