// SPDX-License-Identifier: Apache-2.0
// Makes the pictures of docs/images from the built page: over invented clusters (dev/server.mjs),
// and with --demo URL that of a running `make demo`. node dev/pictures.mjs [--demo URL] [NAME…]
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launchChromium } from './driver.mjs';
import { startServer } from './startServer.mjs';

const FOLDER = fileURLToPath(new URL('../../docs/images/', import.meta.url));
/** Until pulls have ended, failed and stalled. */
const LIVED_MS = 25_000;

const LAPTOP = { width: 1400, height: 900 };
const CLUSTER = { pulls: 40, nodes: 20, failures: 0.04, stalls: 0.03 };

/**
 * By cluster: the pictures taken of it. `open` is the image whose row is opened, `pod` that of the pod whose page is.
 * A `caption` stands above the page, for whom a link to the repository is shown as a picture.
 */
const CLUSTERS = [
  { settings: { pulls: 0, nodes: 0 }, pictures: [{ name: 'empty', ready: '.empty-state' }] },
  {
    settings: CLUSTER,
    pictures: [
      { name: 'live-dark', open: 'recommender-gpu' },
      { name: 'live-light', open: 'recommender-gpu', colorScheme: 'light' },
      { name: 'live-900', viewport: { width: 900, height: 900 } },
      { name: 'live-2560', viewport: { width: 2560, height: 1200 } },
      { name: 'images', path: '?page=images', ready: '.image-row' },
      { name: 'nodes', path: '?page=nodes', ready: '.node-tile' },
      { name: 'pod', pod: 'recommender-gpu', viewport: { width: 1100, height: 430 } },
      { name: 'health', path: '?page=health', ready: '.trace-tile' },
      {
        name: 'social-preview',
        open: 'recommender-gpu',
        viewport: { width: 1280, height: 640 },
        caption: 'Every image pull of a cluster, live: layers, bytes, who waits, and why it fails',
      },
    ],
  },
  {
    settings: { ...CLUSTER, failures: 0.5 },
    pictures: [{ name: 'failures', path: '?q=status:failed', open: 'postgresql' }],
  },
  {
    settings: { pulls: 10_000, nodes: 1000, speed: 0.1 },
    pictures: [{ name: 'thousands' }],
  },
];

const DEMO = [{ name: 'demo', open: '/' }];

/** Above the table, over all else that stands there. */
async function writeCaption(page, caption) {
  const first = page.locator('.pull-row').first();
  await first.evaluate((row, words) => {
    const height = 150;
    const document = row.ownerDocument;
    const element = document.createElement('div');
    const name = document.createElement('div');
    // The page's policy forbids styles in attributes.
    Object.assign(element.style, {
      position: 'fixed',
      inset: '0 0 auto',
      zIndex: 99,
      boxSizing: 'border-box',
      height: `${height}px`,
      padding: '22px 40px',
      background: 'linear-gradient(#0b1a3a, #10141d)',
      color: '#fff',
      fontSize: '24px',
    });
    Object.assign(name.style, { fontSize: '44px', fontWeight: 700 });
    name.textContent = 'Pulltrace';
    element.append(name, words);
    document.body.append(element);
    document.defaultView.scrollBy(0, row.getBoundingClientRect().top - height);
  }, caption);
}

async function take(
  browser,
  url,
  { name, path = '', open, pod, caption, ready = '.pull-row', ...look },
) {
  const context = await browser.newContext({ viewport: LAPTOP, colorScheme: 'dark', ...look });
  const page = await context.newPage();
  await page.goto(new URL(path, url).href);
  await page.locator(ready).first().waitFor();
  if (open !== undefined) {
    const row = page.locator('.pull-row', { has: page.locator(`[title*="${open}"]`) });
    await row.first().click();
    await page.locator('.waterfall-row').first().waitFor();
    await page.mouse.move(0, 0);
    await row.first().blur();
  }
  if (pod !== undefined) {
    const row = page.locator('.pull-row:not(.is-over)', { has: page.locator(`[title*="${pod}"]`) });
    await row.first().locator('.pod-name').click();
    await page.locator('.pod-story').waitFor();
    await page.mouse.move(0, 0);
  }
  if (caption !== undefined) await writeCaption(page, caption);
  // The chart comes after the page, and the past of the throughput with the snapshot.
  await sleep(4000);
  await page.screenshot({ path: `${FOLDER}${name}.png` });
  console.log(`docs/images/${name}.png`);
  await context.close();
}

const { values, positionals } = parseArgs({
  options: { demo: { type: 'string' } },
  allowPositionals: true,
});
const wanted = ({ name }) => positionals.length === 0 || positionals.includes(name);
await mkdir(FOLDER, { recursive: true });
const browser = await launchChromium();
try {
  for (const { settings, pictures } of CLUSTERS) {
    if (!pictures.some(wanted)) continue;
    const server = await startServer(settings);
    try {
      if (settings.pulls > 0) await sleep(LIVED_MS);
      for (const picture of pictures.filter(wanted)) await take(browser, server.url, picture);
    } finally {
      server.stop();
    }
  }
  if (values.demo !== undefined) {
    for (const picture of DEMO) await take(browser, values.demo, picture);
  }
} finally {
  await browser.close();
}
