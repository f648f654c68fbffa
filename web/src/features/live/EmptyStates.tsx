// SPDX-License-Identifier: Apache-2.0
import type { Connection } from '../../state/store';
import type { Summary } from '../../stream/wire';
import { CopyButton } from '../../ui/CopyButton';
import { EmptyState } from '../../ui/EmptyState';
import { formatSpan, plural } from '../../lib/format';

/** Nothing to list: says whether an agent is missing or the cluster is just quiet. */
export function NothingYet(props: { connection: Connection; summary: Summary | null }) {
  const { connection, summary } = props;
  if (connection.phase !== 'live' || summary === null) {
    return (
      <EmptyState title="Connecting to the server…">
        <p>The pulls appear here as soon as the server answers.</p>
      </EmptyState>
    );
  }
  if (summary.nodesReporting + summary.nodesSilent === 0) {
    const command = `PULLTRACE_SERVER_URL=${window.location.origin} pulltrace-agent`;
    return (
      <EmptyState title="No agent reports yet">
        <p>Each node runs the agent. On a machine with containerd, as root:</p>
        <div className="command">
          <code>{command}</code>
          <CopyButton text={command} what="agent command" />
        </div>
        <p>In Kubernetes the chart’s DaemonSet does this on every node.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No pulls now">
      <p>
        {plural(summary.nodesReporting, 'node')} reporting, and none has pulled an image in the last{' '}
        {formatSpan(summary.historySeconds)}. The next pull appears here by itself.
      </p>
    </EmptyState>
  );
}

/** The filter leaves nothing over. */
export function NoMatch(props: { query: string; total: number; onClear: () => void }) {
  return (
    <EmptyState title="No pull matches">
      <p>
        {plural(props.total, 'pull')} known, none of them matches <code>{props.query}</code>.
      </p>
      <button type="button" className="button" onClick={props.onClear}>
        Clear the filters
      </button>
    </EmptyState>
  );
}
