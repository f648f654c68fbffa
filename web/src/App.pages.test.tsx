// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { act, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { App } from './App';
import type { Pull } from './model/pull';
import { names, rows, setUpPage, web } from './testing/page';
import { SUMMARY, liveState, renderWith } from './testing/render';
import { T0, makeNode, makePull } from './testing/samples';

vi.mock('./ui/Sparkline', () => ({ default: () => null }));

setUpPage();

describe('without pulls', () => {
  it.each([
    ['No agent reports yet', liveState([], { summary: { ...SUMMARY, nodesReporting: 0 } })],
    ['No pulls now', liveState([])],
    ['Connecting to the server…', liveState([], { summary: null })],
    ['Connecting to the server…', liveState([], { summary: { ...SUMMARY, completedPulls: 3 } })],
  ])('says: %s', (words, state) => {
    renderWith(state, <App />);
    expect(screen.getByText(words)).toBeTruthy();
  });
});

describe('a lost connection', () => {
  it('keeps the rows, dims them, and says how old they are', () => {
    const state = liveState([web], {
      connection: { phase: 'reconnecting', lastMessageAt: T0 + 48_000 },
    });
    const { container, store } = renderWith(state, <App />);
    expect(names()).toEqual(['acme/web:2']);
    expect(container.querySelector('main')?.className).toBe('is-stale');
    expect(screen.getByRole('status').textContent).toBe('reconnecting, last update 12s ago');
    act(() => store.set({ connection: { phase: 'live', lastMessageAt: T0 } }));
    expect(container.querySelector('main')?.className).toBe('');
    expect(screen.getByRole('status').textContent).toBe('live');
  });

  it('counts messages that could not be read', () => {
    renderWith(liveState([web], { rejected: { count: 2, lastReason: 'id is missing' } }), <App />);
    const header = within(screen.getByRole('banner'));
    expect(header.getByText('2 unreadable messages: id is missing')).toBeTruthy();
  });
});

describe('the other pages', () => {
  it('images lead to their pulls', async () => {
    const user = userEvent.setup();
    window.history.replaceState(null, '', '/?page=images');
    renderWith(liveState([web, makePull({ ...web, id: 'b', nodeName: 'n2' })]), <App />);
    const [, row] = await screen.findAllByRole('row');
    expect(row?.textContent).toContain('0 of 2');
    await user.click(screen.getByRole('button', { name: 'Show the pulls of acme/web:2' }));
    expect(window.location.search).toBe('?q=image:=acme/web:2');
    expect(rows()).toHaveLength(2);
  });

  it('an image’s bar has the share of nodes that are stuck, as its squares have', async () => {
    window.history.replaceState(null, '', '/?page=images');
    const on = (nodeName: string, change: Partial<Pull> = {}) =>
      makePull({ ...web, id: nodeName, nodeName, ...change });
    const holdUp = { kind: 'node_silent', since: T0 } as const;
    renderWith(
      liveState([
        on('a'),
        on('b', { stalledSeconds: 60 }),
        on('c', { holdUp }),
        on('d', { phase: 'completed', completedAt: T0 }),
      ]),
      <App />,
    );
    const bar = await screen.findByRole('img', {
      name: '4 nodes: 1 stalled, 1 silent, 1 downloading, 1 done',
    });
    const width = (name: string) => bar.querySelector<HTMLElement>(`.is-${name}`)?.style.width;
    expect(['done', 'active', 'stuck', 'failed'].map(width)).toEqual(['25%', '25%', '50%', '0%']);
  });

  it('images lead to those pulls too that do not know the tag yet', async () => {
    const user = userEvent.setup();
    const rootDigest = `sha256:${'5be1'.repeat(16)}`;
    window.history.replaceState(null, '', '/?page=images');
    const done = makePull({ ...web, rootDigest, phase: 'completed', completedAt: T0 });
    const active = makePull({ id: 'b', imageRef: 'acme/web', rootDigest, nodeName: 'n2' });
    const never = makePull({ ...web, id: 'c', nodeName: 'n3', phase: 'failed', error: 'no' });
    const other = makePull({ id: 'd', imageRef: 'acme/web:20', nodeName: 'n4' });
    renderWith(liveState([done, active, never, other]), <App />);
    await user.click(await screen.findByRole('button', { name: 'Show the pulls of acme/web:2' }));
    expect(rows().map((row) => row.dataset.key)).toEqual(['b', 'web', 'c']);
  });

  it('nodes show the silent first', async () => {
    window.history.replaceState(null, '', '/?page=nodes');
    const node = {
      nodeName: 'n1',
      agentVersion: '1.0',
      runtimeName: 'containerd',
      runtimeVersion: '2.1',
      lastReportAt: T0 + 58_000,
      silent: false,
      activePulls: 2,
      bytesPerSec: 1024 * 1024,
    };
    const unheard = { ...node, silent: true, bytesPerSec: 0 };
    const silent = { ...unheard, nodeName: 'n2', lastReportAt: T0 };
    const agentless = { ...unheard, nodeName: 'n0', lastReportAt: undefined };
    const windows = { ...agentless, nodeName: 'n9', reason: 'a Windows node' };
    const stalled = { ...node, nodeName: 'n3', bytesPerSec: 0 };
    const idle = { ...stalled, nodeName: 'n4', activePulls: 0 };
    const nodes = [node, idle, stalled, agentless, windows, silent];
    renderWith(liveState([], { nodes }), <App />);
    await screen.findByRole('listbox', { name: 'Nodes' });
    const tiles = [...document.querySelectorAll('.node-tile')].map((tile) => tile.textContent);
    expect(tiles[0]).toContain('n2');
    expect(tiles[0]).toContain('silent for 1m 00s');
    expect(tiles[1]).toContain('n0no agent has reported');
    expect(tiles[2]).toContain('n9a Windows node');
    // What nobody hears of is not known to be idle.
    for (const tile of tiles.slice(0, 3)) expect(tile).toContain('—2 active pulls');
    expect(tiles[3]).toContain('reported 2s ago');
    expect(tiles[3]).toContain('1.0 MB/s2 active pulls');
    expect(tiles[3]).toContain('agent 1.0 · containerd 2.1');
    // Nor is a node whose pulls get nothing.
    expect(tiles[4]).toContain('0 B/s2 active pulls');
    expect(tiles[5]).toContain('idleno pull');
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe(
      'Nodes 3 reporting · 1 silent · 2 without an agent',
    );
  });

  it('puts every node on paper, not only those in sight', async () => {
    window.history.replaceState(null, '', '/?page=nodes');
    const nodes = Array.from({ length: 80 }, (_, index) => makeNode({ nodeName: `n${index}` }));
    renderWith(liveState([], { nodes }), <App />);
    await screen.findByRole('listbox', { name: 'Nodes' });
    const tiles = () => document.querySelectorAll('.node-tile').length;
    expect(tiles()).toBeLessThan(80);
    act(() => void window.dispatchEvent(new Event('beforeprint')));
    expect(tiles()).toBe(80);
    act(() => void window.dispatchEvent(new Event('afterprint')));
    expect(tiles()).toBeLessThan(80);
  });

  it('asks for nodes only on their page', async () => {
    const user = userEvent.setup();
    const wish = vi.fn();
    renderWith(liveState([web]), <App source={{ wish }} />);
    expect(wish).toHaveBeenLastCalledWith(expect.objectContaining({ nodes: false }));
    await user.click(screen.getByRole('link', { name: 'Nodes' }));
    expect(wish).toHaveBeenLastCalledWith(expect.objectContaining({ nodes: true }));
    expect(document.title).toBe('1 pulling · Nodes · Pulltrace');
  });
});

describe('the page of a pod', () => {
  const story = {
    namespace: 'shop',
    podName: 'web-0',
    nodeName: 'n1',
    waiting: true,
    waitingSince: T0,
    readyEtaSeconds: 42,
    containers: [
      { name: 'setup', kind: 'init', image: 'acme/setup:1', state: 'started' },
      { name: 'app', kind: 'main', image: 'acme/web:2', state: 'waiting', pullId: 'web' },
    ],
  } as const;

  it('has its containers in order, and what each waits for', async () => {
    window.history.replaceState(null, '', '/?pod=shop/web-0');
    const pod = { name: 'shop/web-0', story, trouble: null };
    const wish = vi.fn();
    renderWith(liveState([web], { pod }), <App source={{ wish }} />);
    expect(wish).toHaveBeenLastCalledWith({
      open: null,
      nodes: false,
      registries: false,
      pod: 'shop/web-0',
      older: null,
    });
    const page = await screen.findByRole('region', { name: 'Pod' });
    expect(page.textContent).toContain('1 of 2 images is missing; all present in 42s.');
    const containers = within(page).getAllByRole('listitem');
    expect(containers.map((one) => one.querySelector('strong')?.textContent)).toEqual([
      'setup',
      'app',
    ]);
    expect(containers[1]?.textContent).toContain('has been downloading on n1');
    await userEvent.setup().click(within(page).getByRole('button', { name: 'Show the pull' }));
    expect(window.location.search).toBe('?open=web');
  });

  it('is made of the pulls when the server knows it no more, and says when there is nothing', async () => {
    window.history.replaceState(null, '', '/?pod=shop/web-0');
    const pod = { name: 'shop/web-0', story: undefined, trouble: 'unknown' } as const;
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'app' }];
    const done = { ...web, pods, phase: 'completed', completedAt: T0 } as const;
    const { store } = renderWith(liveState([done], { pod }), <App />);
    const page = await screen.findByRole('region', { name: 'Pod' });
    expect(page.textContent).toContain('Every known image of it is present.');
    act(() => store.set({ pulls: { ...store.get().pulls, pulls: new Map() } }));
    expect(screen.getByText('Nothing is pulled for this pod')).toBeTruthy();
  });

  it('is reached by the pod’s name in a row', async () => {
    const pods = [{ namespace: 'shop', podName: 'web-0', container: 'app' }];
    renderWith(liveState([{ ...web, pods }]), <App />);
    await userEvent.setup().click(screen.getByRole('link', { name: /web-0/ }));
    expect(window.location.search).toBe('?pod=shop/web-0');
  });
});
