// SPDX-License-Identifier: Apache-2.0
import { statusOf } from '../../state/status';
import type { Pull } from '../../model/pull';

export interface BarShares {
  readonly cached: number;
  /** Mounted, and fetched when it is read. */
  readonly remote: number;
  readonly extracted: number;
  readonly downloaded: number;
}

/**
 * How a pull's bar divides. Our server says how many bytes are extracted; from one that sends only
 * layers they are taken in proportion, never beyond what is downloaded.
 */
export function barShares(pull: Pull): BarShares {
  const status = statusOf(pull);
  if (pull.totalBytes <= 0) {
    return { cached: 0, remote: 0, extracted: status === 'completed' ? 1 : 0, downloaded: 0 };
  }
  const total = pull.totalBytes;
  const here = Math.min(1, (pull.cachedBytes ?? 0) / total);
  const remote = Math.min(here, (pull.remoteBytes ?? 0) / total);
  const cached = here - remote;
  if (status === 'completed') return { cached, remote, extracted: 1 - here, downloaded: 0 };
  const fetched = Math.max(0, Math.min(1, pull.downloadedBytes / total) - here);
  const unpacked =
    pull.extractedBytes === undefined
      ? ((pull.layersExtracted ?? 0) / Math.max(1, pull.layerCount)) * (1 - here)
      : pull.extractedBytes / total;
  const extracted = Math.min(fetched, unpacked);
  return { cached, remote, extracted, downloaded: fetched - extracted };
}
