// SPDX-License-Identifier: Apache-2.0
/* global window, document -- what runs in the page */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';

// What tests outside of web/ need of its dependencies: Playwright's driver and axe.

/** Options are Playwright's, besides ours. */
export const launchChromium = (options) => chromium.launch({ ...CHROMIUM, ...options });

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on the page: each finding's rule, element and advice. */
export async function findingsOf(page) {
  // The page's policy forbids an inline script; the driver's own context does not.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, {
      resultTypes: ['violations'],
      rules: { 'target-size': { enabled: true } },
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
  });
}
