// SPDX-License-Identifier: Apache-2.0
// The page in a real Chromium: node page.mjs URL REFERENCE waits for a row of the image, prints its text.
import { launchChromium } from '../../web/dev/driver.mjs';

const [, , url, reference] = process.argv;

const browser = await launchChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  await page.goto(url);
  const row = page.locator('.pull-row', { has: page.locator(`[title="${reference}"]`) }).first();
  await row.waitFor({ timeout: 20_000 });
  console.log((await row.innerText()).replace(/\s+/g, ' '));
  if (faults.length > 0) throw new Error(faults.join('\n'));
} finally {
  await browser.close();
}
