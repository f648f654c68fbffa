// SPDX-License-Identifier: Apache-2.0
import { Cluster } from '../dev/cluster.mjs';
import { decodeEvent } from '../src/model/decode';
import type { Pull } from '../src/model/pull';

/** The pulls of an invented cluster after a minute, through the real decoder. */
export function inventedPulls(pulls: number, nodes: number, failures = 0.06): Pull[] {
  const cluster = new Cluster({ pulls, nodes, failures });
  const now = Date.now();
  for (let second = 60; second > 0; second--) {
    for (const pull of cluster.pulls.values()) cluster.advance(pull, now - second * 1000, 1);
    if (second % 10 === 0) cluster.refill(now - second * 1000);
  }
  return [...cluster.pulls.values()].flatMap((pull) => {
    const decoded = decodeEvent(
      JSON.stringify({
        schemaVersion: 'v1',
        timestamp: new Date(now).toISOString(),
        type: 'pull.progress',
        pull: cluster.status(pull, false),
      }),
    );
    return decoded === null ? [] : [decoded];
  });
}
