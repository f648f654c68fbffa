// SPDX-License-Identifier: Apache-2.0
// Measures the built page in Chromium while thousands of pulls change, by the browser's own
// performance interface. node bench/dashboard.mjs [--pulls 10000] [--nodes 1000] [--seconds 30]
// [--url http://…] [--page live|images|nodes]: without a URL over an invented cluster (dev/server.mjs).
import { cpus, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startServer } from '../dev/startServer.mjs';
import { kb, mb, printLine, printTimes, slope } from './figures.mjs';
import { observe, takeNoted } from './observe.mjs';
import { openPage } from './pipe.mjs';
import { builtSizes } from './sizes.mjs';

const LOADS = 5;
const SETTLE_MS = 10_000;
/** One notch of a wheel. */
const NOTCH_PX = 120;
/** So far that every row in sight is another one. */
const LEAP_PX = 700;
/** Between two readings of the heap. */
const ROUND_S = 60;

/** By page: what shows that it stands, and what takes keys there. */
const PAGES = {
  live: { path: '', first: '.pull-row' },
  images: { path: '?page=images', first: '.image-row', walked: '.squares' },
  nodes: { path: '?page=nodes', first: '.node-tile', walked: '.squares' },
};

const { values } = parseArgs({
  options: {
    pulls: { type: 'string', default: '10000' },
    nodes: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    url: { type: 'string' },
    page: { type: 'string', default: 'live' },
  },
});
const shown = PAGES[values.page];
if (shown === undefined) throw new Error(`--page is one of ${Object.keys(PAGES).join(', ')}`);

/** Opens the page some times, as a reader with an empty cache does. */
async function measureLoads(page, url) {
  const rows = [];
  const answers = [];
  for (let load = 0; load < LOADS; load++) {
    await page.send('Network.clearBrowserCache');
    await page.open('about:blank');
    await page.open(url);
    await page.until(`document.querySelector('${shown.first}') !== null`);
    rows.push(await page.evaluate('performance.now()'));
    if (shown !== PAGES.live) continue;
    await page.key('/');
    await page.until("document.activeElement?.matches('.search input')");
    answers.push(await page.evaluate('performance.now()'));
  }
  printTimes('first row', rows, ' loads');
  if (answers.length > 0) printTimes('a key is answered', answers, ' loads');
}

/** Looks on for some time; the heap is read after a forced collection at the end of each minute. */
async function measureSteady(page, seconds) {
  const rounds = Math.max(1, Math.round(seconds / ROUND_S));
  const tasks = [];
  const long = [];
  const heaps = [await page.heaps()];
  for (let round = 0; round < rounds; round++) {
    await sleep(500); // the collection that was forced is reported a moment later
    await page.evaluate(takeNoted);
    tasks.push(...(await page.tasks((seconds / rounds) * 1000)));
    long.push(...(await page.evaluate(takeNoted)).long);
    heaps.push(await page.heaps());
  }
  const cpu = tasks.reduce((sum, task) => sum + task.cpu, 0) / (seconds * 10);
  const longest = tasks.reduce((most, task) => Math.max(most, task.cpu), 0);
  const over = tasks.filter((task) => task.cpu > 50).length;
  printLine(`steady, ${seconds} s`, `the page's thread uses ${cpu.toFixed(0)} % of a core`);
  printLine(
    '  tasks by their CPU time',
    `${over} over 50 ms, the longest ${longest.toFixed(0)} ms`,
  );
  const load = `the machine's load being ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`;
  printLine('  by the clock', `${long.length} over 50 ms (${long.join(', ')}), ${load}`);
  for (const thread of ['page', 'worker']) {
    const read = heaps.map((heap) => heap[thread]);
    const growth = `${mb(slope(read.slice(1)))} a round of ${seconds / rounds} s`;
    printLine(`heap of the ${thread}`, `${read.map(mb).join(', ')}; slope ${growth}`);
  }
}

/** Twenty turns of the wheel a second, down and some of it up again. */
async function measureScroll(page, name, px) {
  await page.evaluate(takeNoted);
  for (let step = 0; step < 240; step++) {
    await page.wheel(step % 60 < 40 ? px : -px);
    await sleep(50);
  }
  await printNoted(page, name, shown === PAGES.live ? 'scrolls' : 'frames');
  await page.evaluate('scrollTo(0, 0)');
}

/** Walks the squares of a page by keys, row after row. */
async function measureWalk(page) {
  await measureScroll(page, 'wheel to frame', NOTCH_PX);
  await page.evaluate(`document.querySelector('${shown.walked}').focus()`);
  for (let step = 0; step < 120; step++) {
    await page.key(step % 20 === 19 ? 'ArrowDown' : 'ArrowRight');
    await sleep(60);
  }
  await printNoted(page, 'keys in the squares to paint', 'keys');
}

async function measureInput(page) {
  await measureScroll(page, 'scroll to paint', NOTCH_PX);
  await measureScroll(page, 'leap to paint', LEAP_PX);
  // Words that find some of the rows, so that each letter filters and draws.
  const words = await page.evaluate(() => {
    const [image, node] = ['.image-repository', '.cell-node'].map(
      (cell) => document.querySelector(`.pull-row ${cell}`).textContent,
    );
    return `${image.slice(0, 6)} ${node}`;
  });
  await page.key('/');
  for (let times = 0; times < 3; times++) {
    for (const key of [...words, ...Array(words.length).fill('Backspace')]) {
      await page.key(key);
      await sleep(100);
    }
  }
  await printNoted(page, 'typing to paint', 'keys');
  await page.evaluate('document.activeElement.blur()');
  for (let step = 0; step < 60; step++) {
    await page.key('j');
    await sleep(60);
  }
  await printNoted(page, 'row keys to paint', 'keys');
}

async function printNoted(page, name, kind) {
  // The last of them may not be presented yet.
  await sleep(500);
  const noted = await page.evaluate(takeNoted);
  const long = noted.long.length > 0 ? `; tasks over 50 ms: ${noted.long.join(', ')}` : '';
  printTimes(name, noted[kind], long);
}

for (const [when, bytes] of await builtSizes()) printLine(when, `${kb(bytes)} compressed`);
const { pulls, nodes, url } = values;
const server =
  url === undefined
    ? await startServer({ speed: 0.1, failures: 0.01, pulls, nodes })
    : { url, stop: () => {} };
const page = await openPage(1400, 900);
try {
  await page.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${observe})()` });
  await measureLoads(page, new URL(shown.path, server.url).href);
  await sleep(SETTLE_MS);
  const printRows = async () => {
    const table = "document.querySelector('[role=treegrid]')?.getAttribute('aria-rowcount')";
    printLine('rows', (await page.evaluate(table)) ?? 'none');
  };
  if (shown === PAGES.live) await printRows();
  await measureSteady(page, Number(values.seconds));
  await (shown === PAGES.live ? measureInput(page) : measureWalk(page));
  if (shown === PAGES.live) await printRows();
} finally {
  await page.close();
  server.stop();
}
