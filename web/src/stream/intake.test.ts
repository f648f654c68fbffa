// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createIntake } from './intake';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function message(id: string) {
  return JSON.stringify({
    schemaVersion: 'v1',
    type: 'pull.progress',
    timestamp: '2026-11-21T03:04:05.678Z',
    nodeName: 'node-1',
    pull: {
      id,
      nodeName: 'node-1',
      imageRef: 'app:1',
      imageRefExact: true,
      phase: 'downloading',
      totalBytes: 1,
      downloadedBytes: 0,
      cachedBytes: 0,
      extractedBytes: 0,
      bytesPerSec: 0,
      percent: 0,
      layerCount: 0,
      layersDone: 0,
      layersExtracted: 0,
      totalKnown: true,
      startedAt: '2026-11-21T03:04:05.678Z',
    },
  });
}

/** Commits in two seconds, of which the second counts, while so many pulls change each 16 ms. */
function commitsASecond(pullsATurn: number) {
  const commit = vi.fn();
  const intake = createIntake(commit, (reason) => {
    throw new Error(reason);
  });
  let next = 0;
  let before = 0;
  for (let at = 0; at < 2000; at += 16) {
    if (at === 992) before = commit.mock.calls.length;
    for (let i = 0; i < pullsATurn; i++) intake.push(message(`p${String(next++)}`));
    vi.advanceTimersByTime(16);
  }
  intake.stop();
  return commit.mock.calls.length - before;
}

test('much that changes in small pieces is committed four times a second', () => {
  expect(commitsASecond(32)).toBeLessThanOrEqual(5);
});

test('little is committed within a few frames', () => {
  expect(commitsASecond(1)).toBeGreaterThanOrEqual(18);
});

test('in between the page is drawn as often as it can be afforded', () => {
  const commits = commitsASecond(2);
  expect(commits).toBeGreaterThanOrEqual(8);
  expect(commits).toBeLessThanOrEqual(16);
});
