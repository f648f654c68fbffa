// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  IMAGES,
  QUEUED_IMAGE,
  REFUSED_IMAGE,
  activePull,
  groupChoice,
  openPage,
  rowByKey,
  rowsOf,
  search,
  until,
  useBrowser,
  withoutTag,
} from './page.mjs';

useBrowser();

/** Namespace and first pod of those that wait for an image of the lab. */
function waitingFor(reference) {
  const [namespace, name] = withoutTag(reference).split('/').slice(-2);
  return { namespace, pod: `${name}-0` };
}

const titlesOf = (page) =>
  page.locator('.pull-row .image-name').evaluateAll((all) => all.map((one) => one.title));

test('a row names the pods that wait for it', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t, '', { permissions: ['clipboard-read', 'clipboard-write'] });
  const { namespace, pod } = waitingFor(IMAGES[0]);
  const row = rowByKey(page, await activePull(page, IMAGES[0]));
  await until(
    'three pods',
    async () => (await row.locator('.cell-pods').textContent()) === `${namespace}/${pod}+2`,
  );
  const waiting = page.getByText('Waiting pods', { exact: true }).first().locator('..');
  await until(
    'all waiting pods counted',
    async () => Number(/\d+$/.exec((await waiting.innerText()).trim())?.[0]) >= 4,
  );

  await row.click();
  const section = page.getByRole('region', { name: 'Waiting pods' });
  await section.waitFor();
  await section.getByText(`3 pods in ${namespace}`).waitFor();
  await until(
    'the container of each',
    async () => (await section.getByText('app', { exact: true }).count()) === 3,
  );
  await section.getByRole('button', { name: 'Copy kubectl command' }).click();
  await page.getByText('copied').waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(command, `kubectl -n ${namespace} describe pod ${pod}`);
});

test('pods and namespaces filter and group', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  const { namespace } = waitingFor(IMAGES[0]);
  const { pod } = waitingFor(IMAGES[1]);
  await activePull(page, IMAGES[0]);
  await activePull(page, IMAGES[1]);

  const onlyIn = (space) => async () => {
    const titles = await titlesOf(page);
    return titles.length > 0 && titles.every((title) => title.includes(`/${space}/`));
  };
  await search(page, `ns:${namespace} `);
  await until('that namespace only', onlyIn(namespace));
  await page.locator('.search-clear').click();
  await search(page, `pod:${pod} `);
  await until('the image of that pod only', onlyIn(waitingFor(IMAGES[1]).namespace));
  await page.locator('.search-clear').click();
  await search(page, pod);
  await until('the same by free text', onlyIn(waitingFor(IMAGES[1]).namespace));
  await page.locator('.search-clear').click();

  await groupChoice(page, 'Namespace').click();
  for (const reference of [...IMAGES, REFUSED_IMAGE]) {
    const head = page.locator('.group-row strong', { hasText: waitingFor(reference).namespace });
    await head.first().waitFor();
  }
});

test('a pod whose pull has not begun is a queued row', { timeout: 120_000 }, async (t) => {
  const page = await openPage(t);
  await activePull(page, IMAGES[1]);
  const row = rowsOf(page, QUEUED_IMAGE).first();
  await row.waitFor();
  await row.getByRole('img', { name: 'Queued' }).waitFor();
  const { namespace, pod } = waitingFor(QUEUED_IMAGE);
  await row.getByText(`${namespace}/${pod}`, { exact: true }).waitFor();
  // What it waits for ends now and then, and the next begins.
  await row.getByText(/^queued behind [a-z/-]+$/).waitFor();
  await row.getByText(/^after /).waitFor();
  await search(page, 'status:queued ');
  await until('only what is queued', async () => {
    const titles = await titlesOf(page);
    return titles.length === 1 && titles[0] === QUEUED_IMAGE;
  });
});

test(
  'failed attempts are one row that counts down to the next',
  { timeout: 120_000 },
  async (t) => {
    const page = await openPage(t);
    const row = rowsOf(page, REFUSED_IMAGE).first();
    await row.waitFor();
    const attempts = async () =>
      Number(
        /^not found · (\d+) attempts$/.exec(await row.locator('.cell-progress').innerText())?.[1],
      );
    const first = await until('a second attempt', async () => (await attempts()) || undefined);
    const left = async () => /^retry (.+)$/.exec(await row.locator('.cell-ready').innerText())?.[1];
    const before = await until('the time to the next', left);
    await until('the countdown', async () => {
      const now = await left();
      return now !== undefined && now !== before;
    });

    await row.click();
    const failure = page.getByRole('region', { name: 'Failure' });
    await failure.waitFor();
    // Between the end of a pause and the next attempt there is no time to show.
    await until('the next attempt', async () =>
      /\d+ attempts · next in \d/.test(await failure.innerText()),
    );
    await failure.getByText(/failed to resolve reference/).waitFor();
    await failure.getByText(/Check the name and tag in the pod spec/).waitFor();
    const { pod } = waitingFor(REFUSED_IMAGE);
    await page
      .getByRole('region', { name: 'Waiting pods' })
      .getByText(pod, { exact: true })
      .waitFor();

    await until('another attempt', async () => (await attempts()) > first);
    assert.equal(await rowsOf(page, REFUSED_IMAGE).count(), 1);
  },
);
