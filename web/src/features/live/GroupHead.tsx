// SPDX-License-Identifier: Apache-2.0
import { formatDuration, formatRate, plural } from '../../lib/format';
import type { GroupTotals } from '../../state/view';
import { Icon } from '../../ui/Icon';

/** The row above a group's pulls: how it stands as a whole. */
export function GroupHead(props: { label: string; totals: GroupTotals; collapsed: boolean }) {
  const { label, totals, collapsed } = props;
  return (
    <div role="gridcell" className="group-head">
      <Icon name="chevron" size={14} className={collapsed ? 'chevron' : 'chevron is-open'} />
      <strong className="ellipsis">{label}</strong>
      <span className="dim">
        {[
          totals.active > 0 && plural(totals.active, 'active pull'),
          totals.done > 0 && `${totals.done} done`,
        ]
          .filter(Boolean)
          .join(' · ')}
        {totals.failed > 0 && <span className="failed"> · {totals.failed} failed</span>}
      </span>
      <span className="group-figures dim">
        {totals.bytesPerSec > 0 && formatRate(totals.bytesPerSec)}
        {totals.readySeconds !== undefined &&
          ` · all ready in ${formatDuration(totals.readySeconds)}`}
      </span>
    </div>
  );
}
