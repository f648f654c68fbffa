// SPDX-License-Identifier: Apache-2.0
// The page in a real Chromium: node stays.mjs URL REFERENCE waits for a row of the image, prints `stays`, and at
// SIGTERM what has been seen meanwhile, frame by frame.
import { launchChromium } from '../../web/dev/driver.mjs';

const [, , url, reference] = process.argv;

/** Runs in the page: rows that were there and are not, and for how long there was no stream. */
function watch() {
  const known = new Set();
  let awaySince = 0;
  window.seen = { rows: 0, framesWithoutARow: 0, missing: [], away: 0, longestAwayMs: 0 };
  const look = () => {
    const keys = new Set([...document.querySelectorAll('.pull-row')].map((row) => row.dataset.key));
    const { seen } = window;
    for (const key of keys) known.add(key);
    seen.rows = known.size;
    seen.missing = [...known].filter((key) => !keys.has(key));
    seen.framesWithoutARow += Number(seen.missing.length > 0);
    const isAway = document.querySelector('.is-reconnecting') !== null;
    if (isAway && awaySince === 0) {
      awaySince = performance.now();
      seen.away += 1;
    }
    if (isAway) seen.longestAwayMs = Math.max(seen.longestAwayMs, performance.now() - awaySince);
    else awaySince = 0;
    requestAnimationFrame(look);
  };
  look();
}

const browser = await launchChromium({ handleSIGTERM: false });
const page = await browser.newPage({ viewport: { width: 1400, height: 4000 } });
process.on('SIGTERM', async () => {
  console.log(JSON.stringify(await page.evaluate(() => window.seen)));
  await browser.close();
});
await page.goto(url);
await page
  .locator('.pull-row', { has: page.locator(`[title="${reference}"]`) })
  .first()
  .waitFor();
await page.evaluate(watch);
console.log('stays');
