// SPDX-License-Identifier: Apache-2.0
import { formatDuration, plural } from '../lib/format';
import { useSlice } from '../state/context';
import './ConnectionState.css';
import { useNow } from './useNow';

/** A phone shows the reason beside it, since nothing can point there. */
function Trouble({ what, reason }: { what: string; reason: string }) {
  return (
    <span className="connection-trouble" title={reason}>
      {what}
      <span className="connection-reason">: {reason}</span>
    </span>
  );
}

/** Whether what is on screen is live, and if not, how old it is. */
export function ConnectionState() {
  const { phase, lastMessageAt } = useSlice('connection');
  const rejected = useSlice('rejected');
  const offset = useSlice('clockOffsetMs');
  const summary = useSlice('summary');
  const now = useNow() - offset;
  const age = Math.max(0, now - lastMessageAt) / 1000;
  return (
    <span className="connection-state">
      {rejected.count > 0 && (
        <Trouble what={plural(rejected.count, 'unreadable message')} reason={rejected.lastReason} />
      )}
      {summary?.apart !== undefined && (
        <Trouble what="apart from the other servers" reason={summary.apart} />
      )}
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
