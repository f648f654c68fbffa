// SPDX-License-Identifier: Apache-2.0
import { parseQuery, queryHint } from '../../state/query';
import type { Connection } from '../../state/store';
import { type Summary, allPulls } from '../../model/cluster';
import { formatCount, formatSpan, plural } from '../../lib/format';
import { EmptyState } from '../../ui/EmptyState';
import { NoAgent } from '../../ui/NoAgent';

/** Nothing to list: says whether an agent is missing or the cluster is just quiet. */
export function NothingYet(props: { connection: Connection; summary: Summary | null }) {
  const { connection, summary } = props;
  if (connection.phase !== 'live' || summary === null || allPulls(summary) > 0) {
    return (
      <EmptyState title="Connecting to the server…">
        <p>The pulls appear here as soon as the server answers.</p>
      </EmptyState>
    );
  }
  if (summary.nodesReporting + summary.nodesSilent === 0) return <NoAgent />;
  return (
    <EmptyState title="No pulls now">
      <p>
        {plural(summary.nodesReporting, 'node')} reporting
        {summary.nodesSilent > 0 && `, ${formatCount(summary.nodesSilent)} silent`}. No image was
        pulled in the last {formatSpan(summary.historySeconds)}; the next pull appears here by
        itself.
      </p>
    </EmptyState>
  );
}

/** The filter leaves nothing over. */
export function NoMatch(props: { query: string; total: number; onClear: () => void }) {
  const hint = queryHint(parseQuery(props.query));
  return (
    <EmptyState title="No pull matches">
      <p>
        {plural(props.total, 'pull')} known, none of them matches <code>{props.query}</code>.
        {hint !== undefined && (
          <>
            <br />
            {hint}
          </>
        )}
      </p>
      <button type="button" className="button" onClick={props.onClear}>
        Clear the filters
      </button>
    </EmptyState>
  );
}
