// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { Pull } from '../model/pull';
import { T0, makePull } from '../testing/samples';
import { downloadOf } from './download';

const NOW = T0 + 60_000;
const over = { phase: 'completed', completedAt: T0 + 30_000 } as const;

it.each<[string, Partial<Pull>, [number, number, number] | undefined]>([
  ['nothing', { downloadedBytes: 0 }, undefined],
  ['all was here', { downloadedBytes: 100, cachedBytes: 100 }, undefined],
  ['under way', { downloadedBytes: 100, cachedBytes: 40 }, [60, 0, 60]],
  ['under way, as said a moment ago', { downloadedBytes: 100, downloadSeconds: 58 }, [100, 0, 60]],
  ['behind a queue', { downloadedBytes: 100, queuedSeconds: 10 }, [100, 10, 60]],
  ['over, extraction included', { ...over, downloadedBytes: 100 }, [100, 0, 30]],
  ['over', { ...over, downloadedBytes: 100, downloadSeconds: 20 }, [100, 0, 20]],
  ['by what was fetched', { ...over, downloadedBytes: 100, bytesFetched: 70 }, [70, 0, 30]],
  ['queued until its end', { ...over, downloadedBytes: 100, queuedSeconds: 30 }, undefined],
])('%s', (_, fields, wanted) => {
  const found = downloadOf(makePull({ startedAt: T0, ...fields }), NOW);
  const seconds = (at: number) => (at - T0) / 1000;
  expect(found && [found.bytes, seconds(found.began), seconds(found.ended)]).toEqual(wanted);
});
