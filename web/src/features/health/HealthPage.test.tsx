// SPDX-License-Identifier: Apache-2.0
// @vitest-environment jsdom
import { cleanup, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { T0, makePull } from '../../testing/samples';
import { SUMMARY, installBrowserParts, liveState, renderWith } from '../../testing/render';
import { HealthPage } from './HealthPage';

beforeEach(() => {
  installBrowserParts();
  vi.spyOn(Date, 'now').mockReturnValue(T0);
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const failed = (nodeName: string, imageRef: string) =>
  makePull({
    id: `${nodeName} ${imageRef}`,
    nodeName,
    imageRef,
    phase: 'failed',
    errorClass: 'timeout',
    startedAt: T0 - 60_000,
    completedAt: T0 - 30_000,
  });
const history = { bytesPerSec: [0, 100], stalledPulls: [0, 1], failed: [2, 0] };
const base = { activePulls: 3, bytesPerSec: 2048, medianBytesPerSec: 1024, history };

it('says where the fault lies, and shows each registry and each troubled node', async () => {
  const pulls = [failed('n1', 'ill.io/a:1'), failed('n2', 'ill.io/b:1'), makePull()];
  const registries = [
    { ...base, registry: 'ill.io', stalledPulls: 1 },
    { ...base, registry: 'other', stalledPulls: 0 },
  ];
  const onUrl = vi.fn();
  renderWith(liveState(pulls, { registries }), <HealthPage onUrl={onUrl} />);
  const verdict = screen.getByRole('status').textContent;
  expect(verdict).toContain('The registry2 troubled pulls, all from ill.io, on 2 nodes.');
  expect(
    screen.getAllByRole('img', {
      name: 'Last 30 minutes: 50 B/s on average, stalled in 1 half minute, 2 failures',
    }),
  ).toHaveLength(2);
  expect(screen.getByText('1 stalled now')).toBeTruthy();
  expect(screen.getByRole('region', { name: 'Nodes with problems' }).textContent).toContain('n2');
  expect(screen.queryByRole('button', { name: 'worker-1' })).toBeNull();

  const user = userEvent.setup();
  await user.click(screen.getByRole('button', { name: 'ill.io' }));
  expect(onUrl).toHaveBeenLastCalledWith({ page: 'live', query: 'registry:=ill.io', open: null });
  expect(screen.queryByRole('button', { name: 'other' })).toBeNull();
});

it('says so when all is well, and knows registries by their pulls where the server does not', () => {
  renderWith(liveState([makePull({ startedAt: T0 - 9000 })]), <HealthPage onUrl={vi.fn()} />);
  expect(screen.getByRole('status').textContent).toContain('None of them');
  expect(screen.getByText(/^no node had a stall or a failure/)).toBeTruthy();
  expect(screen.getByRole('button', { name: 'ghcr.io' })).toBeTruthy();
});

it.each([
  ['keys', 'Each authenticates with its own token, verified with the cluster’s keys.', false],
  ['fallback', 'All use the shared token, since the server may not verify their own', true],
  ['nothing', 'They need no token: whoever reaches the server', false],
] as const)('says how agents are known: %s', (agentsKnownBy, words, isBad) => {
  const summary = { ...SUMMARY, agentsKnownBy };
  renderWith(liveState([makePull()], { summary }), <HealthPage onUrl={vi.fn()} />);
  const said = screen.getByRole('region', { name: 'Agents' }).querySelector('p');
  expect(said?.textContent).toContain(words);
  expect(said?.className.includes('is-not-as-asked')).toBe(isBad);
});

it('says nothing of that when the server does not', () => {
  renderWith(liveState([makePull()]), <HealthPage onUrl={vi.fn()} />);
  expect(screen.queryByRole('region', { name: 'Agents' })).toBeNull();
});
