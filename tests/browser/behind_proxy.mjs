// SPDX-License-Identifier: Apache-2.0
// Opens the page and prints each of the names as soon as it is there: node behind_proxy.mjs URL NAME…
// What is wrong goes to stderr; exit status 1 then.
import { launchChromium } from '../../web/dev/driver.mjs';

const [url, ...names] = process.argv.slice(2);
const browser = await launchChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url()))
      faults.push(`asks ${request.url()}`);
  });
  await page.goto(url);
  for (const name of names) {
    await page.getByText(name, { exact: true }).first().waitFor({ timeout: 20000 });
    console.log(name);
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
} finally {
  await browser.close();
}
