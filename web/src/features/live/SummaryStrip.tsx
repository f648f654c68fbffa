// SPDX-License-Identifier: Apache-2.0
import { type ReactNode, Suspense, lazy, useMemo, useState } from 'react';
import {
  NONE,
  UNIT_NOTE,
  bytesParts,
  formatCount,
  formatDuration,
  formatSpan,
} from '../../lib/format';
import { type Overview, pullTimes } from '../../state/overview';
import type { Status } from '../../state/status';
import type { Sample } from '../../state/store';
import type { Summary } from '../../model/cluster';
import './SummaryStrip.css';

// The chart library is not needed for the first sight of the page, nor for any other: a server
// that went away in between must not take the page with it.
const Sparkline = lazy(() => import('../../ui/Sparkline').catch(() => ({ default: () => <></> })));

const SPAN_MS = 5 * 60 * 1000;

interface SummaryStripProps {
  overview: Overview;
  throughput: readonly Sample[];
  summary: Summary | null;
  /** Shows the pulls of these statuses. */
  onStatus: (statuses: readonly (Status | 'active')[]) => void;
  onNodes: () => void;
}

/** The state of the whole cluster in one line. */
export function SummaryStrip(props: SummaryStripProps) {
  const { overview, throughput, summary } = props;
  const [hovered, setHovered] = useState<number | null>(null);
  const times = useMemo(() => throughput.map((sample) => sample.at), [throughput]);
  const values = useMemo(() => throughput.map((sample) => sample.bytesPerSec), [throughput]);
  const lately = summary === null ? '' : `, last ${formatSpan(summary.historySeconds)}`;
  // The server counts all that it keeps.
  const [median, p95] =
    summary?.pullSecondsP50 === undefined
      ? pullTimes(overview.durations)
      : [summary.pullSecondsP50, summary.pullSecondsP95];
  const past = hovered === null ? undefined : throughput[hovered];
  const [value, unit] = bytesParts(past?.bytesPerSec ?? summary?.bytesPerSec ?? 0);
  return (
    <section className="strip surface" aria-label="Summary">
      <div className="strip-cell strip-throughput">
        <div>
          <h2 className="dim">{past === undefined ? 'Throughput' : timeOfDay(past.at)}</h2>
          <p className="strip-value" title={UNIT_NOTE}>
            {value} <small>{unit}/s</small>
          </p>
        </div>
        <div className="strip-chart" title="Throughput of the last five minutes">
          <Suspense fallback={null}>
            <Sparkline times={times} values={values} spanMs={SPAN_MS} onHover={setHovered} />
          </Suspense>
        </div>
      </div>
      <Figure
        label="Active pulls"
        onClick={() => props.onStatus(overview.queued > 0 ? ['active', 'queued'] : ['active'])}
      >
        {formatCount(overview.active)}
        {overview.queued > 0 && <small> +{formatCount(overview.queued)} queued</small>}
      </Figure>
      <Figure label="Waiting pods">
        {formatCount(overview.waitingPods)}
        {summary?.missing !== undefined && <small> so far</small>}
      </Figure>
      <Figure
        label={`Failed${lately}`}
        onClick={() => props.onStatus(overview.stale > 0 ? ['failed', 'stale'] : ['failed'])}
        alarm={overview.failed > 0}
      >
        {formatCount(overview.failed)}
        {overview.stale > 0 && <small> +{formatCount(overview.stale)} outcome unknown</small>}
      </Figure>
      <Figure label={`Pull time${lately}`} pair>
        {median === undefined ? (
          NONE
        ) : (
          <>
            <span>
              {formatDuration(median)} <small>median</small>
            </span>{' '}
            <span>
              {formatDuration(p95 ?? 0)} <small>p95</small>
            </span>
          </>
        )}
      </Figure>
      <Figure label="Nodes reporting" onClick={props.onNodes}>
        {summary === null ? NONE : formatCount(summary.nodesReporting)}
        {summary !== null && summary.nodesSilent > 0 && (
          <small className="strip-warning"> {formatCount(summary.nodesSilent)} silent</small>
        )}
      </Figure>
    </section>
  );
}

interface FigureProps {
  label: string;
  children: ReactNode;
  alarm?: boolean;
  /** Two values beside each other, set smaller. */
  pair?: boolean;
  onClick?: () => void;
}

function Figure({ label, children, alarm = false, pair = false, onClick }: FigureProps) {
  const kind = alarm ? ' is-alarm' : pair ? ' is-pair' : '';
  const value = <span className={`strip-value${kind}`}>{children}</span>;
  if (onClick === undefined) {
    return (
      <div className="strip-cell">
        <h2 className="dim">{label}</h2>
        {value}
      </div>
    );
  }
  return (
    <button type="button" className="strip-cell" onClick={onClick}>
      <span className="dim strip-label">{label}</span>
      {value}
    </button>
  );
}

function timeOfDay(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}
