// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ERROR_CLASSES, readPull } from '../model/pull';
import { T0, makePull, wirePull } from '../testing/samples';
import { adviceFor, errorWords, isActive, isUnderWay, statusOf, whatHappened } from './status';

it.each([
  [{ phase: 'downloading' }, 'downloading'],
  [{ phase: 'downloading', stalledSeconds: 10 }, 'stalled'],
  [{ phase: 'extracting', stalledSeconds: 90 }, 'extracting'],
  [{ phase: 'queued' }, 'queued'],
  [{ phase: 'resolving' }, 'resolving'],
  [{ phase: 'completed', completedAt: T0 }, 'completed'],
  [{ phase: 'failed', error: 'no' }, 'failed'],
  [{ phase: 'failed', errorClass: 'stale' }, 'stale'],
  // A server that sends no phase.
  [{ phase: undefined }, 'downloading'],
  [{ phase: undefined, completedAt: T0 }, 'completed'],
  [{ phase: undefined, completedAt: T0, error: 'no' }, 'failed'],
] as const)('%o is %s', (change, status) => {
  expect(statusOf(makePull(change))).toBe(status);
});

it('takes the words of a later server for none', () => {
  const pull = readPull(wirePull({ phase: 'of_tomorrow', errorClass: 'of_tomorrow' }));
  expect(statusOf(pull)).toBe('downloading');
  expect(errorWords(pull)).toBeUndefined();
});

it.each([
  ['queued', true, false],
  ['resolving', true, true],
  ['stalled', true, true],
  ['completed', false, false],
  ['failed', false, false],
  ['stale', false, false],
] as const)('%s: under way %s, active %s', (status, underWay, active) => {
  expect(isUnderWay(status)).toBe(underWay);
  expect(isActive(status)).toBe(active);
});

it('has words and advice for classes known and unknown', () => {
  expect(errorWords({ errorClass: 'not_found' })).toBe('not found');
  expect(errorWords({ errorClass: 'other' })).toBeUndefined();
  expect(adviceFor({ errorClass: 'tls' })).toMatch(/certificate/);
  expect(adviceFor({ errorClass: 'platform' })).toMatch(/architecture/);
  expect(adviceFor({ errorClass: 'corrupt' })).toMatch(/digest/);
  const limited = (error: string) => adviceFor({ errorClass: 'rate_limited', error });
  expect(limited('toomanyrequests: slow down')).toMatch(/registry limits/);
  expect(limited('pull QPS exceeded')).toMatch(/registryPullQPS/);
  expect(adviceFor({})).toMatch(/kubectl describe pod/);
});

it.each([
  [{ errorClass: 'not_found', error: 'no such tag' }, 'not found'],
  [{ errorClass: 'other', error: ' ended without\n\tan image ' }, 'ended without an image'],
  [{ error: 'x'.repeat(300) }, `${'x'.repeat(200)}…`],
  [{ error: `${'x'.repeat(199)}😀😀` }, `${'x'.repeat(199)}…`],
  [{}, 'failed'],
  [{ errorClass: 'stale' }, 'outcome unknown'],
] as const)('of %j says in a line what happened', (change, words) => {
  expect(whatHappened(makePull({ phase: 'failed', ...change }))).toBe(words);
});

it.each([
  ['silent', 'node went silent', /agent’s pod/],
  ['unnamed', 'no longer reported', /newer pull/],
  ['stuck', 'no progress', /route from this node/],
  [undefined, undefined, /The error says/],
] as const)('says of a pull that is %s what it is', (staleReason, words, advice) => {
  const failure = { errorClass: 'stale', staleReason } as const;
  expect(errorWords(failure)).toBe(words);
  expect(adviceFor(failure)).toMatch(advice);
});

it.each(ERROR_CLASSES.filter((name) => name !== 'other' && name !== 'stale'))(
  'the troubleshooting page explains %s by the page’s words',
  (errorClass) => {
    const page = readFileSync('../docs/troubleshooting.md', 'utf8');
    expect(page).toContain(`**${errorWords({ errorClass })}**`);
  },
);
