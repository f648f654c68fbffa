// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import {
  formatAge,
  bytesParts,
  formatBytes,
  formatBytesOf,
  formatClock,
  formatCount,
  formatDuration,
  formatPercent,
  formatRate,
  formatUtc,
  middleDigest,
  plural,
  shortDigest,
} from './format';

const KB = 1024;
const MB = KB * 1024;
const GB = MB * 1024;

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 KB'],
    [22 * KB, '22 KB'],
    [1.5 * MB, '1.5 MB'],
    [36.2 * MB, '36.2 MB'],
    [412 * MB, '412 MB'],
    [999.4 * MB, '999 MB'],
    [1000 * MB, '1.0 GB'],
    [7.8 * GB, '7.8 GB'],
    [2048 * GB, '2.0 TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('splits value and unit', () => expect(bytesParts(1.84 * GB)).toEqual(['1.8', 'GB']));
  it('makes a rate of it', () => expect(formatRate(18.9 * MB)).toBe('18.9 MB/s'));
});

describe('formatBytesOf', () => {
  it.each([
    [61 * MB, 69 * MB, '61 of 69 MB'],
    [5.1 * GB, 7.8 * GB, '5.1 of 7.8 GB'],
    [100 * MB, 7.8 * GB, '0.1 of 7.8 GB'],
    [3 * KB, 22 * KB, '3 of 22 KB'],
    [22 * KB, 22 * KB, '22 KB'],
    [0, 361 * MB, '0 of 361 MB'],
  ])('%d of %d is %s', (done, total, text) => {
    expect(formatBytesOf(done, total)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [0.31, '0.3s'],
    [0.96, '1s'],
    [41.4, '41s'],
    [59.7, '1m 00s'],
    [123, '2m 03s'],
    [3600, '1h 00m'],
    [7500, '2h 05m'],
    [90000, '1d 01h'],
    [-1, '—'],
    [Number.NaN, '—'],
    [Infinity, '—'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('formatPercent', () => {
  it.each([
    [0, '0%'],
    [65.9, '65%'],
    [99.99, '99%'],
    [100, '100%'],
    [101, '100%'],
    [-3, '0%'],
  ])('%d is %s', (percent, text) => {
    expect(formatPercent(percent)).toBe(text);
  });
});

it('counts with separators', () => expect(formatCount(10000)).toBe('10,000'));
it('makes a plural', () => {
  expect(plural(1, 'pod')).toBe('1 pod');
  expect(plural(1200, 'pod')).toBe('1,200 pods');
});
it('shortens digests', () => {
  expect(shortDigest('sha256:9f1c27bd00')).toBe('9f1c27bd');
  expect(middleDigest(`sha256:5be1${'0'.repeat(56)}c07e`)).toBe('sha256:5be1…c07e');
  expect(middleDigest('sha256:5be1')).toBe('sha256:5be1');
});

it('says clock times as the reader has them, with the day where it is another', () => {
  const at = new Date(2026, 10, 21, 10, 0, 5).getTime();
  expect(formatClock(at, at + 3_600_000)).toBe('10:00:05');
  expect(formatClock(at, at + 86_400_000)).toBe('21 Nov, 10:00:05');
  expect(formatUtc(Date.UTC(2026, 10, 21, 10, 0, 5))).toBe('2026-11-21 10:00:05 UTC');
});

it.each([
  [0.4, '0.4s'],
  [41, '41s'],
  [169, '2m'],
  [7500, '2h'],
  [273_600, '3d'],
])('says of %d seconds ago their largest unit', (seconds, words) => {
  expect(formatAge(seconds)).toBe(words);
});
