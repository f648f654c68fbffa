// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '../dev/startServer.mjs';
import { openPage } from './pipe.mjs';

/** Bytes in use in the page and in its worker once so many finished pulls have come, and when that was. */
export async function heapsWith(finished) {
  const server = await startServer({
    pulls: 100,
    nodes: 1000,
    speed: 0.01,
    failures: 0.001,
    finished,
  });
  const page = await openPage(1400, 900);
  try {
    await page.open(server.url);
    // Those under way come last.
    await page.until(
      "/Active pulls\\d\\d/.test(document.querySelector('.strip')?.textContent)",
      120_000,
    );
    const afterMs = await page.evaluate('performance.now()');
    await sleep(8000);
    return { ...(await page.heaps()), afterMs };
  } finally {
    await page.close();
    server.stop();
  }
}
