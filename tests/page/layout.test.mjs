// SPDX-License-Identifier: Apache-2.0
/* global document, getComputedStyle, innerHeight -- what runs in the page */
// At each width nothing is drawn over anything, and what is cut is cut so that it is not misread.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchChromium } from '../../web/dev/driver.mjs';
import { serve } from '../../web/dev/serve.mjs';
import { Crafted } from './crafted.mjs';

const WIDTHS = [360, 480, 768, 831, 1001, 1181, 1241, 1920];

const STATES = [
  { path: '', ready: '.pull-row' },
  { path: '?q=status:completed', ready: '.pull-row' },
  { path: '?group=node', ready: '.group-row' },
  { path: '?page=images', ready: '.image-row' },
  { path: '?page=nodes', ready: '.node-tile' },
  { path: '?page=health', ready: '.trace-tile' },
  { path: '?pod=shop/waiting-0', ready: '.pod-story' },
  ...['downloading', 'not-found', 'remote', 'long'].map((id) => ({
    path: `?q=image:${id === 'long' ? 'nobody' : id}&open=${id}`,
    ready: '.pull-detail .waterfall',
  })),
];

let browser;
let server;

before(async () => {
  browser = await launchChromium();
  server = await serve(new Crafted());
});
after(async () => {
  await browser.close();
  await server.stop();
});

/** Runs in the page: texts and bars that lie over each other, and texts of which less than two letters are left. */
function faults() {
  const SMALL_PX = 1.5;
  const LETTERS_PX = 12;
  const LINE_PX = 5;
  const isSeen = (of) => of.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  /** A box for each line that the words take. */
  function linesOf(words) {
    const range = document.createRange();
    range.selectNodeContents(words);
    return [...range.getClientRects()];
  }

  /** What of `box` the ancestors of `of` leave to be seen. */
  function cut(box, of) {
    let { left, right, top, bottom } = box;
    for (let at = of; at !== document.body && at !== null; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.clipPath !== 'none') return undefined;
      if (style.overflowX === 'visible') continue;
      const edge = at.getBoundingClientRect();
      left = Math.max(left, edge.left);
      right = Math.min(right, edge.right);
      top = Math.max(top, edge.top);
      bottom = Math.min(bottom, edge.bottom);
    }
    return right - left > SMALL_PX && bottom - top > LINE_PX
      ? { left, right, top, bottom }
      : undefined;
  }

  const drawn = [];
  const letters = [];
  const texts = document.createTreeWalker(document.querySelector('main'), 4);
  while (texts.nextNode()) {
    const { currentNode } = texts;
    const of = currentNode.parentElement;
    if (currentNode.data.trim() === '' || !isSeen(of) || of.closest('select') !== null) continue;
    for (const box of linesOf(currentNode)) {
      const seen = box.top < innerHeight ? cut(box, of) : undefined;
      if (seen === undefined) continue;
      const width = seen.right - seen.left;
      const name = currentNode.data.trim().slice(0, 40);
      if (width < box.width - SMALL_PX && width < LETTERS_PX) letters.push(`left of ${name}`);
      drawn.push({ name, of, ...seen });
    }
  }
  for (const of of document.querySelectorAll('.progress-bar, .waterfall-row .waterfall-track')) {
    const seen = isSeen(of) ? cut(of.getBoundingClientRect(), of) : undefined;
    if (seen !== undefined) drawn.push({ name: of.className, of, ...seen });
  }
  const meet = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > SMALL_PX &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > LINE_PX;
  const over = drawn.flatMap((one, index) =>
    drawn
      .slice(index + 1)
      .filter((other) => one.of !== other.of && meet(one, other))
      .map((other) => `${one.name} over ${other.name}`),
  );
  // These are read to their end, or not at all.
  const whole =
    '.cell-ready, .pod-list .pod-link, .group-head .failed, .waterfall-words, .strip h2, .strip-label, .connection-phase > span';
  const roomy = [...document.querySelectorAll('.image-name')]
    .filter((of) => isSeen(of) && of.getBoundingClientRect().top < innerHeight)
    .filter((of) => {
      const parts = [
        ...of.querySelectorAll('.image-registry, .image-path, .image-repository, .image-tag'),
      ];
      const needed = parts.reduce((sum, part) => sum + part.scrollWidth, 0);
      const cutParts = parts.filter((part) => part.scrollWidth > part.clientWidth + 1);
      return needed + 4 * parts.length < of.clientWidth && cutParts.length > 0;
    })
    .map((of) => `has room: ${of.title}`);
  const shortened = [...document.querySelectorAll(whole)]
    .filter(isSeen)
    .filter((of) => {
      return linesOf(of).some((box) => {
        const seen = box.top < innerHeight ? cut(box, of) : undefined;
        return seen !== undefined && seen.right - seen.left < box.width - SMALL_PX;
      });
    })
    .map((of) => `cut: ${of.textContent}`);
  return [...new Set([...over, ...letters, ...roomy, ...shortened])];
}

for (const width of WIDTHS) {
  test(`${width} wide`, { timeout: 300_000 }, async (t) => {
    const context = await browser.newContext({ viewport: { width, height: 1400 } });
    t.after(() => context.close());
    const page = await context.newPage();
    const found = {};
    for (const { path, ready } of STATES) {
      await page.goto(new URL(path, server.url).href);
      await page.locator(ready).first().waitFor();
      await page.evaluate(() => document.fonts.ready.then(() => undefined));
      const findings = await page.evaluate(faults);
      if (findings.length > 0) found[path] = findings;
    }
    assert.deepEqual(found, {});
  });
}

test('without a server', { timeout: 300_000 }, async (t) => {
  const gone = await serve(new Crafted());
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(gone.url);
  await page.locator('.pull-row').first().waitFor();
  await gone.stop();
  await page.getByText('last update').waitFor();
  const found = {};
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 1400 });
    const findings = await page.evaluate(faults);
    if (findings.length > 0) found[width] = findings;
  }
  assert.deepEqual(found, {});
});
