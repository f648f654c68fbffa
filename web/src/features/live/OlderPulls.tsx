// SPDX-License-Identifier: Apache-2.0
import { formatCount, plural } from '../../lib/format';
import { type Summary, allPulls } from '../../model/cluster';
import { MAX_FINISHED } from '../../state/pulls';
import type { Older } from '../../state/store';

interface OlderPullsProps {
  older: Older | null;
  summary: Summary;
  /** So many pulls the page holds. */
  held: number;
  onOlder: () => void;
}

/** Below the table: that the server keeps more finished pulls than the page holds, and how to see them. */
export function OlderPulls({ older, summary, held, onOlder }: OlderPullsProps) {
  const kept = summary.completedPulls + summary.checks;
  // The page lets go of them a moment after it has more than it holds.
  if (kept <= MAX_FINISHED || held >= allPulls(summary)) return null;
  const { pulls = [], more = true, state } = older ?? {};
  return (
    <p className="older-pulls dim" role="status">
      The server keeps {plural(kept, 'completed pull')}; the newest {formatCount(MAX_FINISHED)} are
      listed
      {pulls.length > 0 && `, and ${formatCount(pulls.length)} older ones`}.
      {state === 'unanswered' && ' The server did not answer.'}
      {more && (
        <button type="button" className="button" disabled={state === 'asking'} onClick={onOlder}>
          {state === 'asking' ? 'Asking…' : 'Show older ones'}
        </button>
      )}
    </p>
  );
}
