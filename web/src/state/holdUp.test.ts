// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull } from '../testing/samples';
import { heldSeconds, holdUpNote, stalledSeconds } from './holdUp';
import { statusOf } from './status';
import { lateManifestSeconds } from './times';

const NOW = T0 + 60_000;
const held = (kind: 'no_bytes' | 'node_silent' | 'resolving', since = T0 + 40_500) =>
  makePull({ holdUp: { kind, since } });

it('holds up in whole seconds since the server’s time', () => {
  expect(heldSeconds(held('no_bytes'), 'no_bytes', NOW)).toBe(19);
  expect(heldSeconds(held('no_bytes'), 'slow', NOW)).toBeUndefined();
  expect(heldSeconds(held('no_bytes', NOW + 500), 'no_bytes', NOW)).toBe(0);
  expect(heldSeconds(makePull(), 'no_bytes', NOW)).toBeUndefined();
});

it('a stall goes on between two messages', () => {
  expect(stalledSeconds(held('no_bytes'), NOW)).toBe(19);
  expect(stalledSeconds(makePull({ stalledSeconds: 12 }), NOW)).toBe(12);
  expect(statusOf(held('no_bytes'))).toBe('stalled');
});

it('a manifest is late when the server says so, and not since its node is silent', () => {
  const resolving = { phase: 'resolving' } as const;
  const late = makePull({ ...resolving, holdUp: { kind: 'resolving', since: T0 + 30_000 } });
  expect(lateManifestSeconds(late, NOW)).toBe(30);
  const silent = makePull({ ...resolving, holdUp: { kind: 'node_silent', since: T0 } });
  expect(lateManifestSeconds(silent, NOW)).toBeUndefined();
});

it.each([
  ['node_silent', 'downloading', 'node silent for 19s'],
  ['agent_missing', 'resolving', 'no agent on this node'],
  ['agent_missing', 'queued', undefined],
  ['slow', 'downloading', 'slow'],
  ['extracting', 'extracting', undefined],
] as const)('%s while %s is noted as %s', (kind, phase, note) => {
  expect(holdUpNote(makePull({ phase, holdUp: { kind, since: T0 + 40_500 } }), NOW)).toBe(note);
});
