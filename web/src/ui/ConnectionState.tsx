// SPDX-License-Identifier: Apache-2.0
import { formatDuration, plural } from '../lib/format';
import { useSlice } from '../state/context';
import './ConnectionState.css';
import { useNow } from './useNow';

/** What is wrong, with its reason: a line of its own below the header, for whoever can point nowhere. */
export function Troubles() {
  const rejected = useSlice('rejected');
  const summary = useSlice('summary');
  const troubles: (readonly [string, string])[] = [];
  if (rejected.count > 0)
    troubles.push([plural(rejected.count, 'unreadable message'), rejected.lastReason]);
  if (summary?.apart !== undefined)
    troubles.push(['out of sync with the other servers', summary.apart]);
  if (summary?.missing !== undefined)
    troubles.push(['not all waiting pods are known yet', summary.missing]);
  return troubles.map(([what, reason]) => (
    <p key={what} className="connection-trouble">
      {what}: {reason}
    </p>
  ));
}

/** Whether what is on screen is live, and if not, how old it is. */
export function ConnectionState() {
  const { phase, lastMessageAt } = useSlice('connection');
  const offset = useSlice('clockOffsetMs');
  const summary = useSlice('summary');
  const now = useNow() - offset;
  const age = Math.max(0, now - lastMessageAt) / 1000;
  return (
    <span className="connection-state">
      <span className={`connection-phase is-${phase}`} role="status">
        <i className="connection-dot" aria-hidden="true" />
        <span>
          {phase}
          {/* Not in the live region's words each second. */}
          {phase === 'reconnecting' && lastMessageAt > 0 && (
            <span aria-hidden="true">, last update {formatDuration(Math.floor(age))} ago</span>
          )}
        </span>
      </span>
      {summary !== null && phase === 'live' && (
        <span className="dim connection-nodes">{plural(summary.nodesReporting, 'node')}</span>
      )}
    </span>
  );
}
