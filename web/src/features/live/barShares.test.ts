// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { T0, makePull } from '../../testing/samples';
import { barShares } from './barShares';

const base = { totalBytes: 100, downloadedBytes: 60, cachedBytes: 20 };

it.each([
  ['as the server says', { ...base, extractedBytes: 10 }, [0.2, 0.1, 0.3]],
  ['never beyond what is downloaded', { ...base, extractedBytes: 90 }, [0.2, 0.4, 0]],
  [
    'by layers where bytes are not known',
    { ...base, layersExtracted: 1, layerCount: 4 },
    [0.2, 0.2, 0.2],
  ],
  ['all of it once completed', { ...base, phase: 'completed', completedAt: T0 }, [0.2, 0.8, 0]],
  ['what is mounted apart from what is here', { ...base, remoteBytes: 15 }, [0.05, 0, 0.4, 0.15]],
  [
    'what is mounted once completed',
    { ...base, remoteBytes: 20, phase: 'completed', completedAt: T0 },
    [0, 0.8, 0, 0.2],
  ],
  ['nothing while the size is unknown', { ...base, totalBytes: 0 }, [0, 0, 0]],
] as const)('divides %s', (_, change, [cached, extracted, downloaded, remote = 0]) => {
  const shares = barShares(makePull(change));
  expect(shares.remote).toBeCloseTo(remote);
  expect(shares.cached).toBeCloseTo(cached);
  expect(shares.extracted).toBeCloseTo(extracted);
  expect(shares.downloaded).toBeCloseTo(downloaded);
});
