// SPDX-License-Identifier: Apache-2.0
// Opens every page of a server whose texts are all hostile: node hostile.mjs URL PATH…
// Each must show the text as text: no script runs, no element of it appears, nothing else is asked for. Prints what
// is wrong, one line each; exit status 1 then.
import { launchChromium } from '../../web/dev/driver.mjs';

const [url, ...paths] = process.argv.slice(2);
const faults = [];

/** What the hostile text would have made of itself. */
function elements() {
  const made =
    'x-evil, iframe, object, embed, base, [onerror], [onload], [onclick], [onfocus], a[href^="javascript" i]';
  return [...document.querySelectorAll(made)].map((element) => element.outerHTML.slice(0, 200));
}

const browser = await launchChromium();
const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
let at = '';
const fault = (what) => faults.push(`${at}: ${what}`);
page.on('dialog', (dialog) => {
  fault(`a dialog: ${dialog.message()}`);
  void dialog.dismiss();
});
page.on('pageerror', (error) => fault(`an exception: ${error.message}`));
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) fault(`console: ${message.text()}`);
});
page.on('request', (request) => {
  const asked = new URL(request.url());
  if (
    asked.origin !== new URL(url).origin &&
    asked.protocol !== 'blob:' &&
    asked.protocol !== 'data:'
  )
    fault(`asks ${request.url()}`);
});
for (at of paths) {
  await page.goto(new URL(at, url).href);
  try {
    await page.waitForFunction(() => document.body.innerText.includes('<x-evil'), null, {
      timeout: 15000,
    });
  } catch {
    fault(`does not show the text: ${(await page.innerText('body')).slice(0, 300)}`);
  }
  // What is open at first shows one line a pull; the open row shows every field.
  for (const row of await page.locator('button[aria-expanded="false"]').all()) {
    await row.click({ timeout: 2000 }).catch(() => undefined);
  }
  for (const found of await page.evaluate(elements)) fault(`an element: ${found}`);
  if (await page.evaluate(() => 'pwned' in window)) fault('a script ran');
}
await browser.close();
for (const each of faults) console.log(each);
process.exitCode = faults.length > 0 ? 1 : 0;
