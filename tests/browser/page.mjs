// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { launchChromium } from '../../web/dev/driver.mjs';

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run python3 -m tests.integration.browser`);
  return value;
}

export const URL_OF_PAGE = needed('PULLTRACE_URL');
/** References that are pulled over and over while the tests run. */
export const IMAGES = needed('PULLTRACE_EXPECT_IMAGES').split(',');
/** A reference whose pulls fail, over and over. */
export const FAILED_IMAGE = needed('PULLTRACE_FAILED_IMAGE');
/** What one pod waits for and nobody pulls. */
export const QUEUED_IMAGE = needed('PULLTRACE_QUEUED_IMAGE');
/** What two pods wait for, and cannot be had: one attempt after the other fails. */
export const REFUSED_IMAGE = needed('PULLTRACE_REFUSED_IMAGE');
/** SIGUSR1 to it kills the server, which starts again some seconds later. */
export const LAB_PID = Number(needed('PULLTRACE_LAB_PID'));
/** The servers' own addresses: of the test of replicas two, behind the page's. */
export const SERVERS = needed('PULLTRACE_SERVERS').split(',');
/** The server's metrics. */
export const METRICS = needed('PULLTRACE_METRICS');

let browser;

/** Call once in each test file: one browser for its tests. */
export function useBrowser() {
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());
}

/**
 * Opens the page at `path` and closes it after the test, which fails if the page wrote an error to
 * the console, broke its content security policy or asked another origin for anything.
 */
export async function openPage(t, path = '', options = {}) {
  const { expected = /^$/, origin = new URL(URL_OF_PAGE).origin, ...contextOptions } = options;
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    colorScheme: 'dark',
    ...contextOptions,
  });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    if (!expected.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(origin).origin)
      faults.push(`other origin: ${request.url()}`);
  });
  // The worker has a policy of its own; what either says is seen on the console.
  await page.addInitScript(logViolations);
  page.on('worker', (worker) => worker.evaluate(logViolations).catch(() => undefined));
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(new URL(path, URL_OF_PAGE).href);
  return page;
}

function logViolations() {
  addEventListener('securitypolicyviolation', (event) => {
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
  });
}

/** The rows of an image, which has no tag until its node knows it; `.is-over` are those that ended. */
export function rowsOf(page, reference, state = '') {
  const name = withoutTag(reference);
  return page.locator(`.pull-row${state}`, {
    has: page.locator(`[title="${reference}"], [title="${name}"]`),
  });
}

export function withoutTag(reference) {
  return reference.replace(/:[^:/]*$/, '');
}

/** The key of a pull of `reference` that is under way and not nearly done. */
export async function activePull(page, reference) {
  return until(`a pull of ${reference} under way`, async () => {
    for (const row of await rowsOf(page, reference, ':not(.is-over)').all()) {
      const percent = await percentOf(row);
      if (percent !== undefined && percent < 70) return row.getAttribute('data-key');
    }
    return undefined;
  });
}

/** Types into the search field; a blank at the end makes a chip of a token. */
export async function search(page, text) {
  await page.locator('.search input').fill(text);
}

/** One of the choices of “Group by”. */
export function groupChoice(page, label) {
  return page.locator('.segmented label', {
    hasText: new RegExp(`^${label}$`),
  });
}

export function rowByKey(page, key) {
  return page.locator(`.pull-row[data-key="${key}"]`);
}

/** Where the page is, by its own word: the driver hears of it a moment later. */
export function addressOf(page) {
  return page.evaluate(() => location.search);
}

export async function percentOf(row) {
  const cell = row.locator('.cell-percent');
  const text = (await cell.count()) > 0 ? await cell.innerText() : '';
  return /^\d+%$/.test(text) ? Number(text.slice(0, -1)) : undefined;
}

/** What `probe` gives, as soon as it gives something; fails with `what` after the time. */
export async function until(what, probe, timeoutMs = 60_000) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(100)) {
    const value = await probe().catch((error) => {
      // The row may leave the page between two looks at it.
      if (!/Timeout|detached/.test(error.message)) throw error;
    });
    if (value !== undefined && value !== false && value !== null) return value;
  }
  throw new assert.AssertionError({
    message: `not within ${timeoutMs / 1000} s: ${what}`,
  });
}
