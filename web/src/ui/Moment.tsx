// SPDX-License-Identifier: Apache-2.0
import { formatClock, formatUtc } from '../lib/format';

/** A time of day as people here say it, with the one of logs and other places beside it. */
export function Moment({ at, now }: { at: number; now: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={formatUtc(at)}>
      {formatClock(at, now)}
    </time>
  );
}
