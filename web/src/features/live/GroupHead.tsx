// SPDX-License-Identifier: Apache-2.0
import { formatRate, formatReadiness, plural } from '../../lib/format';
import type { GroupTotals } from '../../state/view';
import { Icon } from '../../ui/Icon';

/** The row above a group's pulls: how it stands as a whole. */
export function GroupHead(props: { label: string; totals: GroupTotals; collapsed: boolean }) {
  const { label, totals, collapsed } = props;
  const counts = [
    totals.active > 0 && plural(totals.active, 'active pull'),
    totals.queued > 0 && `${totals.queued} queued`,
    totals.done > 0 && `${totals.done} done`,
  ].filter((words) => words !== false);
  return (
    <div role="gridcell" className="group-head">
      <Icon name="chevron" size={14} className={collapsed ? 'chevron' : 'chevron is-open'} />
      <strong className="ellipsis">{label}</strong>
      <span className="group-counts dim ellipsis">
        {totals.failed > 0 && (
          <>
            <span className="failed">{totals.failed} failed</span>
            {counts.length > 0 && ' · '}
          </>
        )}
        {counts.join(' · ')}
      </span>
      <span className="group-figures dim ellipsis">
        {[totals.bytesPerSec > 0 && formatRate(totals.bytesPerSec), formatReadiness(totals.ready)]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </div>
  );
}
