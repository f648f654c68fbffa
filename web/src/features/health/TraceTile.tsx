// SPDX-License-Identifier: Apache-2.0
import { memo } from 'react';
import { UNIT_NOTE, formatCount, formatRate, plural } from '../../lib/format';
import { STEPS, type Trace, sum } from '../../state/traces';
import type { ChangeUrl } from '../../state/urlState';

/** Of a step, in the chart's own units. */
const STEP = 4;
const SPEED = 26;
const LANE = 9;

interface TraceTileProps {
  trace: Trace;
  /** The greatest speed among its neighbours: all have one scale. */
  most: number;
  /** The search for its pulls; undefined for what is no single one, as “other”. */
  query: string | undefined;
  onUrl: ChangeUrl;
}

/** One node or registry: what came, when it stalled, when it failed. */
export const TraceTile = memo(function TraceTile(props: TraceTileProps) {
  const { trace, most, query, onUrl } = props;
  const { name, history, activePulls, stalledPulls, bytesPerSec, medianBytesPerSec = 0 } = trace;
  const failed = sum(history.failed);
  const figures = [
    bytesPerSec > 0 && `${formatRate(bytesPerSec)} now`,
    activePulls > 0 ? `${formatCount(activePulls)} active` : 'no active pull',
    medianBytesPerSec > 0 && `median ${formatRate(medianBytesPerSec)} a pull`,
  ].filter((words) => words !== false);
  return (
    <li className="trace-tile surface">
      <h3 className="name ellipsis" title={name}>
        {query === undefined ? (
          name
        ) : (
          <button
            type="button"
            className="trace-name ellipsis"
            onClick={() => onUrl({ page: 'live', query, open: null })}
          >
            {name}
          </button>
        )}
      </h3>
      <p className="trace-troubles">
        {stalledPulls > 0 && (
          <span className="stalled">{formatCount(stalledPulls)} stalled now</span>
        )}
        {failed > 0 && <span className="failed">{formatCount(failed)} failed</span>}
      </p>
      <p className="trace-figures dim ellipsis" title={UNIT_NOTE}>
        {figures.join(' · ')}
      </p>
      <div className="trace-chart" role="img" aria-label={wordsOf(trace)}>
        <Lane label="speed" height={SPEED} kind="speed" values={history.bytesPerSec} most={most} />
        <Lane label="stalled" height={LANE} kind="stalled" values={history.stalledPulls} />
        <Lane label="failed" height={LANE} kind="failed" values={history.failed} />
      </div>
    </li>
  );
});

interface LaneProps {
  label: string;
  height: number;
  kind: 'speed' | 'stalled' | 'failed';
  values: readonly number[];
  /** Fills the lane; without it the lane's own greatest value does. */
  most?: number;
}

/** One bar for each step; the newest stands at the right, however many there are. */
function Lane({ label, height, kind, values, most = Math.max(...values, 1) }: LaneProps) {
  const first = STEPS - values.length;
  const bars = values.flatMap((value, index) => {
    if (value <= 0) return [];
    // What is there is seen, however little.
    const tall = Math.max(kind === 'speed' ? 0.5 : 3, (value / most) * height);
    return `M${(first + index) * STEP} ${height}v${-tall}h${kind === 'speed' ? STEP : STEP - 1}v${tall}z`;
  });
  return (
    <>
      <span className="dim">{label}</span>
      <svg viewBox={`0 0 ${STEPS * STEP} ${height}`} preserveAspectRatio="none" height={height}>
        <path className={`trace-${kind}`} d={bars.join('')} />
        <path className="trace-base" d={`M0 ${height}h${STEPS * STEP}`} />
      </svg>
    </>
  );
}

function wordsOf({ history }: Trace): string {
  const mean = sum(history.bytesPerSec) / Math.max(1, history.bytesPerSec.length);
  const dry = history.stalledPulls.filter((count) => count > 0).length;
  return [
    `Last 30 minutes: ${formatRate(mean)} on average`,
    dry > 0 ? `stalled in ${plural(dry, 'half minute')}` : 'no stall',
    plural(sum(history.failed), 'failure'),
  ].join(', ');
}
