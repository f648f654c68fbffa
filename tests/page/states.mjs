// SPDX-License-Identifier: Apache-2.0
// What a reader can come to, over the crafted cluster: where it is, what is there once it stands,
// and what the reader does to get there.

/** Ids of crafted pulls whose open rows differ in kind. */
const OPENED = [
  'downloading',
  'resolving',
  'queued',
  'stalled',
  'extracting',
  'node-silent',
  'agent-missing',
  'not-found',
  'disk-full',
  'lost-stuck',
  'completed',
  'all-here',
  'remote',
  'check',
  'long',
  'markup',
  'right-to-left',
  'unnamed',
];

const DETAIL = '.pull-detail';

async function openNeeds(page) {
  for (const summary of await page.locator('.needs summary').all()) await summary.click();
}

async function askForKeys(page) {
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
}

async function find(page, text) {
  await page.locator('.search input').fill(text);
  await page.getByText('No pull matches').waitFor();
}

export const STATES = [
  { name: 'live', path: '', ready: '.pull-row' },
  { name: 'what needs somebody, open', path: '', ready: '.needs', act: openNeeds },
  { name: 'keys', path: '', ready: '.pull-row', act: askForKeys },
  { name: 'no match', path: '', ready: '.pull-row', act: (page) => find(page, 'no-such-name') },
  {
    name: 'a wrong search',
    path: '',
    ready: '.pull-row',
    act: (page) => find(page, 'status:fial '),
  },
  { name: 'failed only', path: '?q=status:failed', ready: '.pull-row' },
  { name: 'sorted', path: '?sort=-elapsed', ready: '.pull-row' },
  ...['image', 'node', 'namespace'].map((group) => ({
    name: `by ${group}`,
    path: `?group=${group}`,
    ready: '.group-row',
  })),
  ...OPENED.map((id) => ({ name: `open: ${id}`, path: `?open=${id}`, ready: DETAIL })),
  { name: 'a link to a pull that is gone', path: '?open=gone', ready: '.pull-row' },
  { name: 'images', path: '?page=images', ready: '.image-row' },
  { name: 'nodes', path: '?page=nodes', ready: '.node-tile' },
  { name: 'health', path: '?page=health', ready: '.trace-tile' },
  ...['waiting', 'sandbox', 'ready', 'deleted', 'unknown'].map((pod) => ({
    name: `pod: ${pod}`,
    path: `?pod=shop/${pod}-0`,
    ready: '.pod-story, .empty-state',
  })),
];

/** As wide as a phone, a narrow window, a laptop, a wall; and a laptop's at 200 %. */
export const SIZES = [
  { name: '390', viewport: { width: 390, height: 844 } },
  { name: '760', viewport: { width: 760, height: 900 } },
  { name: '1400', viewport: { width: 1400, height: 900 } },
  { name: '2560', viewport: { width: 2560, height: 1200 } },
  { name: '1400 at 200 %', viewport: { width: 700, height: 450 }, deviceScaleFactor: 2 },
];

export const SCHEMES = ['dark', 'light'];
