// SPDX-License-Identifier: Apache-2.0
// Each state of the page at each size, dark and light: axe finds nothing, and nothing is cut off.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { findingsOf, launchChromium } from '../../web/dev/driver.mjs';
import { serve } from '../../web/dev/serve.mjs';
import { Crafted } from './crafted.mjs';
import { SCHEMES, SIZES, STATES } from './states.mjs';

const EMPTY = [{ name: 'nothing', path: '', ready: '.empty-state' }];
const AWAY = [{ name: 'server away', path: '', ready: '.pull-row' }];

let browser;
let full;
let empty;

before(async () => {
  browser = await launchChromium();
  full = await serve(new Crafted());
  empty = await serve(new Crafted([]));
});
after(async () => {
  await browser.close();
  await Promise.all([full.stop(), empty.stop()]);
});

/** What sticks out of the window sideways. */
function sticksOut() {
  const wide = document.documentElement.scrollWidth - innerWidth;
  return wide <= 0
    ? []
    : [...document.querySelectorAll('body *')]
        .filter((of) => of.getBoundingClientRect().right > innerWidth + 0.5)
        .map((of) => `${of.tagName}.${of.className}`)
        .slice(0, 5);
}

async function look(page, url, { path, ready, act = async () => {} }) {
  await page.goto(new URL(path, url).href);
  await page.locator(ready).first().waitFor();
  await act(page);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  return [...(await page.evaluate(sticksOut)), ...(await findingsOf(page))];
}

for (const colorScheme of SCHEMES) {
  for (const { name, ...size } of SIZES) {
    test(`${name}, ${colorScheme}`, { timeout: 300_000 }, async (t) => {
      const context = await browser.newContext({
        colorScheme,
        reducedMotion: 'reduce',
        ...size,
      });
      t.after(() => context.close());
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      const found = {};
      const lookAt = async (server, state) => {
        const findings = await look(page, server.url, state).catch((error) => [error.message]);
        if (findings.length > 0) found[state.name] = findings;
      };
      for (const state of STATES) await lookAt(full, state);
      for (const state of EMPTY) await lookAt(empty, state);
      assert.deepEqual(found, {});
    });
  }
}

/** Every word that the header can have, and a long one. */
class Troubled extends Crafted {
  summary() {
    const lost = 'the log that several servers share cannot be reached';
    const missing = 'the first list of pods has not come from the Kubernetes API yet';
    const cluster = `production-${'x'.repeat(52)}`;
    return {
      ...super.summary(),
      cluster,
      apart: lost,
      missing,
      nodesReporting: 12_345,
    };
  }
}

/** What lies over each other in the header. */
function overlaps() {
  const parts =
    '.app-name, .app-cluster, nav a, .connection-phase, .connection-nodes, .connection-trouble, button';
  const boxes = [...document.querySelectorAll('header :is(' + parts + ')')]
    .map((of) => ({
      name: of.className || of.textContent,
      box: of.getBoundingClientRect(),
    }))
    .filter(({ box }) => box.width > 0);
  const meet = ({ box: a }, { box: b }) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  return boxes.flatMap((one, index) =>
    boxes
      .slice(index + 1)
      .filter((other) => meet(one, other))
      .map((other) => `${one.name} and ${other.name}`),
  );
}

test('whatever the header says, nothing lies over anything', { timeout: 120_000 }, async (t) => {
  const server = await serve(new Troubled());
  t.after(() => server.stop());
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator('.connection-trouble').nth(1).waitFor();
  const found = {};
  const lookAt = async (state) => {
    for (const width of [320, 390, 480, 481, 620, 621, 760, 761, 1000, 1001, 1300]) {
      await page.setViewportSize({ width, height: 800 });
      const findings = [...(await page.evaluate(sticksOut)), ...(await page.evaluate(overlaps))];
      if (findings.length > 0) found[`${state} at ${width}`] = findings;
    }
  };
  await lookAt('live');
  await server.stop();
  await page.locator('.is-reconnecting').waitFor();
  await lookAt('reconnecting');
  assert.deepEqual(found, {});
});

test('the server goes away', { timeout: 60_000 }, async (t) => {
  for (const colorScheme of SCHEMES) {
    const server = await serve(new Crafted());
    const context = await browser.newContext({ colorScheme });
    t.after(() => context.close());
    const page = await context.newPage();
    const leave = async () => {
      await server.stop();
      await page.locator('.is-stale').first().waitFor();
    };
    for (const state of AWAY) {
      assert.deepEqual(await look(page, server.url, { ...state, act: leave }), [], colorScheme);
    }
  }
});
