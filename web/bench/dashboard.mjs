// SPDX-License-Identifier: Apache-2.0
// Measures the built page in Chromium while thousands of pulls change, by the browser's own
// performance interface. node bench/dashboard.mjs [--pulls 10000] [--nodes 1000] [--seconds 30]
// [--url http://…]: without a URL the page runs over an invented cluster (dev/server.mjs).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPage } from './pipe.mjs';

const { values } = parseArgs({
  options: {
    pulls: { type: 'string', default: '10000' },
    nodes: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    url: { type: 'string' },
  },
});
const seconds = Number(values.seconds);

async function printSizes() {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url));
  const sizes = { first: 0, fonts: 0, later: 0 };
  for (const name of await readdir(dist, { recursive: true })) {
    if (!/\.(html|js|css|svg|woff2)$/.test(name)) continue;
    const body = await readFile(dist + name);
    if (name.endsWith('.woff2')) sizes.fonts += body.length;
    else
      sizes[name.includes('Sparkline') ? 'later' : 'first'] += gzipSync(body, { level: 9 }).length;
  }
  const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
  console.log(`first load, gzip:       ${kb(sizes.first)} (HTML, script, style, icon)`);
  console.log(
    `fonts, woff2:           ${kb(sizes.fonts)} (Inter at once, JetBrains Mono with the first open row)`,
  );
  console.log(`chart, after it, gzip:  ${kb(sizes.later)}`);
}

async function startServer() {
  const path = fileURLToPath(new URL('../dev/server.mjs', import.meta.url));
  const child = spawn(
    process.execPath,
    [
      path,
      '--port',
      '0',
      '--speed',
      '0.1',
      '--failures',
      '0.01',
      '--pulls',
      values.pulls,
      '--nodes',
      values.nodes,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [line] = await once(child.stdout, 'data');
  return { url: String(line).trim(), stop: () => child.kill('SIGTERM') };
}

/** Runs in the page: notes long tasks, and the time from each input to the end of its frame. */
function observe() {
  const seen = { long: [], paints: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.long.push(Math.round(entry.duration));
  }).observe({ type: 'longtask' });
  const note = (event) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => seen.paints.push(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    });
  };
  addEventListener('keydown', note, true);
  addEventListener('wheel', note, { capture: true, passive: true });
  window.pulltraceBench = seen;
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function report(name, { paints, long }) {
  const [p50, p95, most] = [0.5, 0.95, 1].map(
    (share) => `${quantile(paints, share).toFixed(0)} ms`,
  );
  const tasks =
    long.length > 0 ? `${long.length} long tasks (${long.join(', ')} ms)` : 'no long task';
  console.log(`${name.padEnd(23)} p50 ${p50}, p95 ${p95}, most ${most}; ${tasks}`);
}

await printSizes();
const server = values.url === undefined ? await startServer() : { url: values.url, stop: () => {} };
const page = await openPage(1400, 900);
try {
  await page.send('Performance.enable');
  await page.send('Page.enable');
  await page.send('Page.addScriptToEvaluateOnNewDocument', { source: `(${observe})()` });
  await page.open(server.url);
  await page.until("document.querySelector('.pull-row') !== null");
  const shown = await page.evaluate('performance.now()');
  console.log(`first row:              ${shown.toFixed(0)} ms after navigation`);
  await sleep(10_000);

  /** What was noted since the last call. */
  const noted = () =>
    page.evaluate(() => {
      const { long, paints } = window.pulltraceBench;
      return { long: long.splice(0), paints: paints.splice(0) };
    });
  const metrics = async () => {
    const answer = await page.send('Performance.getMetrics');
    return Object.fromEntries(answer.metrics.map(({ name, value }) => [name, value]));
  };
  const heapMb = async () => {
    await page.send('HeapProfiler.collectGarbage');
    return (await metrics()).JSHeapUsedSize / 1024 / 1024;
  };

  const rows = await page.evaluate(
    "document.querySelector('[role=treegrid]').getAttribute('aria-rowcount')",
  );
  console.log(`rows:                   ${rows}`);
  const heapBefore = await heapMb();
  await noted();
  const tasks = await page.tasks(seconds * 1000);
  const { long } = await noted();
  const cpu = tasks.reduce((sum, task) => sum + task.cpu, 0) / (seconds * 10);
  const over = tasks.filter((task) => task.cpu > 50);
  const longest = tasks.reduce((most, task) => Math.max(most, task.cpu), 0);
  console.log(
    `steady, ${`${seconds} s:`.padEnd(15)} main thread uses ${cpu.toFixed(0)} % of a core; ` +
      `longest task ${longest.toFixed(0)} ms of it, ${over.length} over 50 ms`,
  );
  console.log(
    `  by the clock:         ${long.length} tasks over 50 ms, the machine's load being ${loadavg()[0].toFixed(1)} on ${cpus().length} cores`,
  );

  for (let step = 0; step < 60; step++) {
    await page.wheel(step < 40 ? 700 : -900);
    await sleep(50);
  }
  report('scroll to paint:', await noted());

  await page.evaluate('scrollTo(0, 0)');
  await page.key('/');
  for (const key of [...'frontend worker-01', ...Array(10).fill('Backspace')]) {
    await page.key(key);
    await sleep(120);
  }
  report('typing to paint:', await noted());
  await page.evaluate('document.activeElement.blur()');
  for (let step = 0; step < 40; step++) {
    await page.key('j');
    await sleep(60);
  }
  report('row keys to paint:', await noted());
  const heapAfter = await heapMb();
  console.log(
    `heap after collection:  ${heapBefore.toFixed(1)} MB before, ${heapAfter.toFixed(1)} MB after`,
  );
} finally {
  await page.close();
  server.stop();
}
