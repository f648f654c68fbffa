// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { App } from './App';
import { loadLater } from './features/later';
import { db, names, rows, setUpPage, web } from './testing/page';
import { SUMMARY, liveState, renderWith } from './testing/render';
import { T0, makeLayer, makeNode, makePull, pullMap } from './testing/samples';

vi.mock('./ui/Sparkline', () => ({ default: () => null }));

setUpPage();
beforeAll(async () => {
  await loadLater();
}, 60_000);

describe('the live page', () => {
  it('has a row a pull, and follows the store', () => {
    const { store } = renderWith(liveState([web, db]), <App />);
    expect(names()).toEqual(['acme/web:2', 'acme/db:1']);
    expect(rows()[0]?.textContent).toContain('50%');
    const pulls = pullMap({ ...web, percent: 80 }, db);
    act(() => store.set({ pulls: { ...store.get().pulls, pulls } }));
    expect(rows()[0]?.textContent).toContain('80%');
  });

  it('counts checks in the open row of the pull that brought the image', async () => {
    const over = { phase: 'completed', rootDigest: 'sha256:aa', completedAt: T0 } as const;
    const check = { ...web, ...over, kind: 'check' } as const;
    const checks = [
      { ...check, id: 'one', startedAt: T0 + 1000 },
      { ...check, id: 'two', startedAt: T0 + 30_000 },
    ];
    const { store } = renderWith(liveState([{ ...web, ...over }, ...checks]), <App />);
    expect(names()).toEqual(['acme/web:2']);
    await userEvent.setup().click(rows()[0] as Element);
    const section = screen.getByRole('region', { name: 'Checks' });
    expect(section.textContent).toContain('+2 checks');
    expect(section.textContent).toContain('30s ago');
    act(() => store.set({ pulls: { ...store.get().pulls, pulls: pullMap(...checks) } }));
    expect(rows()[0]?.textContent).toContain('checked, nothing to fetch');
  });

  it('filters while typing and makes chips of tokens', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    const field = screen.getByRole('textbox', { name: 'Filter pulls' });
    await user.click(field);
    await user.keyboard('web');
    expect(names()).toEqual(['acme/web:2']);
    await user.clear(field);
    await user.keyboard('node:n2 ');
    expect(names()).toEqual(['acme/db:1']);
    expect(window.location.search).toBe('?q=node:n2');
    await user.click(screen.getByRole('button', { name: 'Remove node:n2' }));
    expect(names()).toHaveLength(2);
  });

  it('does not filter by a token that is still being typed', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    await user.click(screen.getByRole('textbox', { name: 'Filter pulls' }));
    await user.keyboard('status:fail');
    expect(names()).toHaveLength(2);
    await user.keyboard('ed{Enter}');
    expect(screen.getByText('No pull matches')).toBeTruthy();
    await user.click(screen.getByRole('button', { name: 'Clear the filters' }));
    expect(names()).toHaveLength(2);
  });

  it('shows a mounted image for what it is: ready, so much fetched, the rest on demand', () => {
    const mounted = makePull({
      ...web,
      phase: 'completed',
      completedAt: T0,
      percent: 100,
      bytesPerSec: 0,
      totalBytes: 500 * 1024 * 1024,
      downloadedBytes: 500 * 1024 * 1024,
      cachedBytes: 488 * 1024 * 1024,
      remoteBytes: 488 * 1024 * 1024,
      bytesFetched: 12 * 1024 * 1024,
    });
    renderWith(liveState([mounted]), <App />);
    expect(screen.getByText('12.0 MB fetched, the rest on demand')).toBeTruthy();
    expect(document.querySelector('.pull-row .cell-size')?.textContent).toBe('12 of 500 MB');
    expect(document.querySelector('.pull-row .cell-speed')?.textContent).toBe('—');
    expect(screen.getByRole('progressbar').style.backgroundImage).toContain('var(--hatching)');
  });

  it('leads down from the search field to the first row', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    await user.click(screen.getByRole('textbox', { name: 'Filter pulls' }));
    await user.keyboard('{ArrowDown}');
    await vi.waitFor(() =>
      expect(document.activeElement?.getAttribute('data-key')).toBe(rows()[0]?.dataset.key),
    );
  });

  it('says of a pull that was wholly on its node that it was, whose bar is all grey', () => {
    const here = { totalBytes: 100, downloadedBytes: 100, cachedBytes: 100, percent: 100 };
    renderWith(
      liveState([makePull({ ...web, ...here, phase: 'completed', completedAt: T0 })]),
      <App />,
    );
    expect(screen.getByText('already present on the node')).toBeTruthy();
  });

  it('sorts by a head: up, down, and as it was', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    const head = screen.getByRole('columnheader', { name: 'Image' });
    await user.click(within(head).getByRole('button'));
    expect(names()).toEqual(['acme/db:1', 'acme/web:2']);
    expect(head.getAttribute('aria-sort')).toBe('ascending');
    await user.click(within(head).getByRole('button'));
    expect(names()).toEqual(['acme/web:2', 'acme/db:1']);
    await user.click(within(head).getByRole('button'));
    expect(window.location.search).toBe('');
    const choice = screen.getByRole('combobox', { name: 'Sort by' });
    expect(within(choice).getByRole('option', { selected: true }).textContent).toBe('start');
  });

  it('opens and closes a row, and writes it into the address', async () => {
    const user = userEvent.setup();
    const wish = vi.fn();
    const source = { wish };
    const { store } = renderWith(liveState([web, db]), <App source={source} />);
    await user.click(screen.getByText('db'));
    expect(window.location.search).toBe('?open=db');
    expect(wish).toHaveBeenLastCalledWith(expect.objectContaining({ open: 'db' }));
    expect(screen.getByText('Loading layers…')).toBeTruthy();
    act(() =>
      store.set({
        detail: {
          pull: db,
          layers: [makeLayer(), makeLayer()],
          node: makeNode({ bytesPerSec: 2048 }),
        },
      }),
    );
    expect(screen.getByText('2 downloading')).toBeTruthy();
    expect(screen.getByText('2 KB/s in total')).toBeTruthy();
    await user.keyboard('{Escape}');
    expect(window.location.search).toBe('');
    expect(wish).toHaveBeenLastCalledWith(expect.objectContaining({ open: null }));
  });

  it('is walked with the keyboard', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    const focusedKey = () => document.activeElement?.getAttribute('data-key');
    await user.keyboard('j');
    await vi.waitFor(() => expect(focusedKey()).toBe('web'));
    await user.keyboard('{ArrowDown}');
    await vi.waitFor(() => expect(focusedKey()).toBe('db'));
    await user.keyboard('{Enter}');
    expect(window.location.search).toBe('?open=db');
    await user.keyboard('k');
    await vi.waitFor(() => expect(focusedKey()).toBe('web'));
    await user.keyboard('/jk');
    expect(screen.getByRole<HTMLInputElement>('textbox').value).toBe('jk');
  });

  it('groups, and a group closes', async () => {
    const user = userEvent.setup();
    renderWith(liveState([web, db]), <App />);
    await user.click(screen.getByRole('radio', { name: 'Node' }));
    expect(window.location.search).toBe('?group=node');
    const [first] = screen.getAllByRole('row').filter((row) => row.matches('.group-row'));
    expect(first?.textContent).toContain('n1');
    if (first !== undefined) await user.click(first);
    expect(first?.getAttribute('aria-expanded')).toBe('false');
    expect(names()).toEqual(['acme/db:1']);
  });

  it('says what is wrong with a failed pull', () => {
    window.history.replaceState(null, '', '/?open=web');
    const failed = makePull({
      ...web,
      phase: 'failed',
      completedAt: T0 + 5000,
      error: 'manifest unknown',
      errorClass: 'not_found',
      attempts: 5,
      nextAttemptAt: T0 + 220_000,
    });
    renderWith(liveState([failed]), <App />);
    expect(rows()[0]?.textContent).toContain('not found · 5 attempts');
    expect(rows()[0]?.textContent).toContain('retry in 2m 40s');
    const failure = screen.getByRole('region', { name: 'Failure' });
    expect(failure.textContent).toContain('manifest unknown');
    expect(failure.textContent).toContain('Check the name and tag');
    expect(failure.textContent).toContain('5 attempts · next in 2m 40s');
  });

  it('says how long a pod has waited, not how long the last attempt took', () => {
    window.history.replaceState(null, '', '/?open=web');
    const failed = makePull({
      ...web,
      phase: 'failed',
      error: 'no',
      completedAt: T0 + 1000,
      queuedSeconds: 30,
      waiting: true,
    });
    renderWith(liveState([failed]), <App />);
    const cell = rows()[0]?.querySelector('.cell-elapsed');
    expect(cell?.textContent).toBe('1m 30s');
    expect(cell?.getAttribute('title')).toContain('(2026-11-21 10:00:00 UTC)');
    const facts = screen.getByRole('region', { name: 'Image' });
    expect(within(facts).getByText('waiting since').nextSibling?.textContent).toMatch(
      /^\d\d:59:301m 30s$/,
    );
    expect(within(facts).getByTitle('2026-11-21 10:00:01 UTC')).toBeTruthy();
  });

  it('alarms of a manifest that does not come', () => {
    const resolving = { phase: 'resolving', bytesPerSec: 0 } as const;
    const late = makePull({ ...web, ...resolving, startedAt: T0 + 2000 });
    const soon = makePull({ ...db, ...resolving, startedAt: T0 + 51_000 });
    renderWith(liveState([late, soon]), <App />);
    expect(rows()[0]?.querySelector('.note.stalled')?.textContent).toBe('no manifest for 58s');
    expect(
      within(rows()[0] ?? document.body).getByLabelText('Resolving for too long'),
    ).toBeTruthy();
    expect(rows()[1]?.textContent).toContain('reading the manifest');
  });

  it('says what is not known of a pull whose outcome is unknown, and keeps it on top while a pod waits', () => {
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    const over = { phase: 'failed', errorClass: 'stale', completedAt: T0 } as const;
    const stuck = makePull({ ...web, ...over, pods, staleReason: 'stuck' });
    const old = makePull({ ...db, ...over, error: 'no progress for 10m' });
    renderWith(liveState([old, stuck]), <App />);
    expect(names()).toEqual(['acme/web:2', 'acme/db:1']);
    expect(rows()[0]?.textContent).toContain('no progress');
    expect(rows()[1]?.textContent).toContain('no progress for 10m');
    expect(screen.queryByText(/went silent/)).toBeNull();
    expect(screen.getByRole('button', { name: /^Failed/ }).textContent).toContain(
      '+2 outcome unknown',
    );
  });

  it('says that a node is silent, and what is old of what it shows', () => {
    window.history.replaceState(null, '', '/?open=web');
    const node = makeNode({ nodeName: 'n1', silent: true, bytesPerSec: 2048 });
    const detail = { pull: web, layers: [makeLayer()], node };
    renderWith(liveState([web], { detail }), <App />);
    expect(screen.getByText(/n1 has not reported for 1m 00s/)).toBeTruthy();
    expect(screen.getByRole('region', { name: 'Layers' }).textContent).toContain('50% then');
    expect(screen.queryByText(/together/)).toBeNull();
  });

  it('has cells that say in which column they are', () => {
    renderWith(liveState([web]), <App />);
    const heads = screen.getAllByRole('columnheader');
    const covered = heads.flatMap((head) => {
      const from = Number(head.getAttribute('aria-colindex'));
      const span = Number(head.getAttribute('aria-colspan') ?? 1);
      return Array.from({ length: span }, (_, at) => from + at);
    });
    const cells = within(rows()[0] ?? document.body).getAllByRole('gridcell');
    expect(cells.map((cell) => Number(cell.getAttribute('aria-colindex')))).toEqual(covered);
    expect(screen.getByRole('treegrid').getAttribute('aria-colcount')).toBe('10');
  });

  it('says why the layers do not come', () => {
    window.history.replaceState(null, '', '/?open=web');
    renderWith(liveState([web], { detailTrouble: 'unknown' }), <App />);
    expect(screen.getByText('The server no longer has the layers of this pull.')).toBeTruthy();
  });

  it('says behind which pull another one waits', () => {
    const queued = makePull({ id: 'q', imageRef: 'redis:8', nodeName: 'n1', phase: 'queued' });
    renderWith(liveState([{ ...web, readyEtaSeconds: 41 }, queued]), <App />);
    const row = rows().find((one) => one.textContent.includes('redis'));
    expect(row?.textContent).toContain('queued behind acme/web');
    expect(row?.textContent).toContain('after 41s');
  });

  it('leaves the pod column out where no pod is known', () => {
    const { store } = renderWith(liveState([web]), <App />);
    expect(screen.queryByRole('columnheader', { name: 'Waiting pods' })).toBeNull();
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'main' }];
    act(() => store.set({ pulls: { ...store.get().pulls, pulls: pullMap({ ...web, pods }) } }));
    expect(screen.getByRole('columnheader', { name: 'Waiting pods' })).toBeTruthy();
    expect(rows()[0]?.textContent).toContain('shop/web-0');
  });
});

it('says which cluster it is, and how its pulls stand, in the tab too', () => {
  document.head.innerHTML = '<link rel="icon" href="./favicon.svg">';
  const summary = { ...SUMMARY, cluster: 'prod-eu-1' };
  const failed = makePull({ ...db, phase: 'failed', completedAt: T0, error: 'no', waiting: true });
  renderWith(liveState([web, failed], { summary }), <App />);
  expect(within(screen.getByRole('banner')).getByText('prod-eu-1')).toBeTruthy();
  expect(document.title).toBe('1 failed, 1 pulling · prod-eu-1 · Pulltrace');
  expect(document.querySelector('link')?.getAttribute('href')).toBe('./favicon-failed.svg');
});

it('means the same by active wherever it says so', async () => {
  const user = userEvent.setup();
  const queued = makePull({ id: 'q', imageRef: 'acme/web:2', nodeName: 'n1', phase: 'queued' });
  renderWith(liveState([web, queued]), <App />);
  const strip = screen.getByRole('button', { name: /^Active pulls/ });
  expect(strip.textContent).toBe('Active pulls1 +1 queued');
  await user.click(strip);
  expect(window.location.search).toBe('?q=status:active+status:queued');
  expect(rows()).toHaveLength(2);
  await user.click(screen.getByRole('button', { name: 'Remove status:queued' }));
  expect(names()).toEqual(['acme/web:2']);
  await user.click(screen.getByRole('radio', { name: 'Node' }));
  await user.click(screen.getByRole('button', { name: 'Remove status:active' }));
  const [head] = screen.getAllByRole('row').filter((row) => row.matches('.group-row'));
  expect(head?.textContent).toContain('1 active pull · 1 queued');
});

it('lists a pull under each namespace that waits for it', async () => {
  const user = userEvent.setup();
  window.history.replaceState(null, '', '/?group=namespace');
  const pods = ['a', 'b', 'a'].map((namespace, at) => ({
    namespace,
    podName: `p${at}`,
    container: 'main',
  }));
  renderWith(liveState([{ ...web, pods }, db]), <App />);
  const heads = () => screen.getAllByRole('row').filter((row) => row.matches('.group-row'));
  expect(heads().map((head) => head.querySelector('strong')?.textContent)).toEqual([
    'a',
    'b',
    'no pod waits',
  ]);
  expect(names()).toEqual(['acme/web:2', 'acme/web:2', 'acme/db:1']);
  await user.click(rows()[1] ?? document.body);
  expect(window.location.search).toBe('?group=namespace&open=web');
  expect(rows().map((row) => row.getAttribute('aria-expanded'))).toEqual(['true', 'true', 'false']);
});

it('does not call a cluster idle while the stream has not brought all', () => {
  const done = makePull({ ...web, phase: 'completed', completedAt: T0 });
  const summary = { ...SUMMARY, activePulls: 9, completedPulls: 11 };
  renderWith(liveState([done], { summary }), <App />);
  expect(screen.getByRole('button', { name: /^Active pulls/ }).textContent).toContain('9');
  expect(screen.queryByText(/No pull under way/)).toBeNull();
});

it('says that the waiting pods are those known so far, until Kubernetes has been listed', () => {
  const missing = 'the first list of pods has not come';
  const { store } = renderWith(liveState([web], { summary: { ...SUMMARY, missing } }), <App />);
  const strip = screen.getByRole('region', { name: 'Summary' });
  expect(strip.textContent).toContain('Waiting pods0 so far');
  const words = `not all waiting pods are known yet: ${missing}`;
  expect(within(screen.getByRole('banner')).getByText(words)).toBeTruthy();
  act(() => store.set({ summary: SUMMARY }));
  expect(strip.textContent).not.toContain('so far');
  expect(screen.queryByText(words)).toBeNull();
});

it('says that it shows one server of several while the others cannot be heard', () => {
  const apart = 'the log that several servers share cannot be reached';
  const { store } = renderWith(liveState([web], { summary: { ...SUMMARY, apart } }), <App />);
  const words = `out of sync with the other servers: ${apart}`;
  expect(within(screen.getByRole('banner')).getByText(words)).toBeTruthy();
  expect(screen.getByRole('status').textContent).toBe('live');
  act(() => store.set({ summary: SUMMARY }));
  expect(screen.queryByText(words)).toBeNull();
});
