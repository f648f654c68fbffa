// SPDX-License-Identifier: Apache-2.0
import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import {
  NONE,
  UNIT_NOTE,
  formatBytes,
  formatCount,
  formatDuration,
  formatMinute,
  formatPercent,
  formatRate,
  formatReadiness,
  formatSpan,
  formatUnknown,
  plural,
} from '../../lib/format';
import { displayName } from '../../lib/imageRef';
import { useSlice } from '../../state/context';
import { type Previous, type Rollout, rolloutsOf } from '../../state/rollouts';
import {
  SQUARE_WORDS,
  type Square,
  type SquareKind,
  countKinds,
  layOutSquares,
  squaresOfPulls,
} from '../../state/squares';
import type { ChangeUrl } from '../../state/urlState';
import { EmptyState } from '../../ui/EmptyState';
import { ImageName } from '../../ui/ImageName';
import { Squares } from '../../ui/Squares';
import { useNow } from '../../ui/useNow';
import { MOST_PRINTED, usePrinting } from '../../ui/usePrinting';
import { useWidth } from '../../ui/useWidth';
import { copyCells } from '../../ui/copyCells';
import './ImagesPage.css';

const COLUMNS: readonly (readonly [label: string, className?: string])[] = [
  ['Image'],
  ['Nodes'],
  ['Done', 'num'],
  ['Active', 'num'],
  ['Failed', 'num'],
  ['Waiting pods', 'num'],
  ['Size', 'num'],
  ['Speed', 'num'],
  ['Slowest node', 'image-slowest'],
  ['All ready', 'num'],
];

/** One row an image: how far its way to all nodes is. */
export function ImagesPage({ onUrl }: { onUrl: ChangeUrl }) {
  const { pulls } = useSlice('pulls');
  const summary = useSlice('summary');
  const rollouts = useMemo(() => rolloutsOf(pulls), [pulls]);
  const empty = rollouts.length === 0;
  const body = useRef<HTMLDivElement>(null);
  const [margin, setMargin] = useState(0);
  useLayoutEffect(() => {
    setMargin((body.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, [empty]);
  const squaresPx = useWidth(body, empty) - SQUARES_INSET_PX;
  const now = useNow();
  const printing = usePrinting();
  const virtualizer = useWindowVirtualizer({
    count: rollouts.length,
    estimateSize: (index) => heightOf(rollouts[index], squaresPx),
    getItemKey: (index) => rollouts[index]?.reference ?? index,
    overscan: 6,
    rangeExtractor: (range) =>
      printing ? rollouts.slice(0, MOST_PRINTED).map((_, at) => at) : defaultRangeExtractor(range),
    scrollMargin: margin,
  });

  const heights = rollouts
    .map(({ nodes, previous }) => `${nodes} ${previous?.version ?? ''}`)
    .join();
  useEffect(() => virtualizer.measure(), [virtualizer, squaresPx, heights]);

  return (
    <>
      <h1 className="page-title">
        Images{' '}
        <span className="dim">
          being rolled out
          {summary !== null && `, and those of the last ${formatSpan(summary.historySeconds)}`}
        </span>
      </h1>
      {empty ? (
        <EmptyState title="No image is being pulled">
          <p>An image that several nodes pull becomes one row here.</p>
        </EmptyState>
      ) : (
        <div
          className="image-table surface"
          role="table"
          aria-label="Images"
          onCopy={copyCells}
          aria-rowcount={rollouts.length + 1}
        >
          <div role="rowgroup" className="table-header">
            <div role="row" className="image-columns" aria-rowindex={1}>
              {COLUMNS.map(([label, className]) => (
                <div key={label} role="columnheader" className={className}>
                  {label}
                </div>
              ))}
            </div>
          </div>
          <div
            role="rowgroup"
            ref={body}
            className="table-body"
            style={{ height: `${virtualizer.getTotalSize()}px` }}
          >
            {virtualizer.getVirtualItems().map((row) => {
              const rollout = rollouts[row.index];
              if (rollout === undefined) return null;
              return (
                <div
                  key={row.key}
                  role="row"
                  aria-rowindex={row.index + 2}
                  className={
                    rollout.previous === undefined
                      ? 'image-columns image-row is-first'
                      : 'image-columns image-row'
                  }
                  style={{ top: `${row.start - margin}px` }}
                >
                  <RolloutCells {...{ rollout, squaresPx, now, onUrl }} />
                </div>
              );
            })}
          </div>
        </div>
      )}
    </>
  );
}

/** Left and right of the squares. */
const SQUARES_INSET_PX = 38;

function heightOf(rollout: Rollout | undefined, squaresPx: number): number {
  const head = rollout?.previous === undefined ? 50 : 58;
  return head + layOutSquares(rollout?.nodes ?? 0, squaresPx).height;
}

interface RolloutCellsProps {
  rollout: Rollout;
  squaresPx: number;
  now: number;
  onUrl: ChangeUrl;
}

function RolloutCells({ rollout, squaresPx, now, onUrl }: RolloutCellsProps) {
  const { reference, slowest } = rollout;
  // Ten seconds do for what time alone changes.
  const step = Math.floor(now / 10_000) * 10_000;
  const squares = useMemo(() => squaresOfPulls(rollout.pulls, step), [rollout.pulls, step]);
  const show = (status: string) =>
    onUrl({ page: 'live', query: `${imageQuery(rollout)} ${status}`.trim() });
  return (
    <>
      <div role="cell">
        <button
          type="button"
          className="image-link"
          onClick={() => show('')}
          aria-label={`Show the pulls of ${displayName(reference)}`}
        >
          <ImageName reference={reference} />
        </button>
        {rollout.previous !== undefined && <Before {...rollout.previous} />}
      </div>
      <div role="cell" className="image-nodes">
        <NodesBar squares={squares} />
        <span className="dim image-count">
          {formatCount(rollout.done)} of {formatCount(rollout.nodes)}
        </span>
      </div>
      <Figure value={rollout.done} />
      <Figure value={rollout.active} queued={rollout.queued} />
      <div role="cell" className="num">
        {rollout.failed === 0 ? (
          <span className="dim">{NONE}</span>
        ) : (
          <button
            type="button"
            className="image-link failed"
            aria-label={`Show the ${rollout.failed} failed pulls of ${reference}`}
            onClick={() => show('status:failed status:stale')}
          >
            {formatCount(rollout.failed)}
          </button>
        )}
      </div>
      <Figure value={rollout.waitingPods} />
      <div role="cell" className="num dim" title={UNIT_NOTE}>
        {rollout.sizeBytes > 0 ? formatBytes(rollout.sizeBytes) : NONE}
      </div>
      <div role="cell" className="num" title={UNIT_NOTE}>
        {rollout.bytesPerSec > 0 ? formatRate(rollout.bytesPerSec) : NONE}
      </div>
      <div role="cell" className="image-slowest name dim" title={slowest?.nodeName}>
        <span className="ellipsis">{slowest?.nodeName ?? NONE}</span>
        {slowest !== undefined && <span> · {formatPercent(slowest.percent)}</span>}
      </div>
      <div role="cell" className="num">
        <Ready rollout={rollout} now={now} />
      </div>
      <div role="cell" className="image-squares">
        <NodeSquares {...{ rollout, squares, squaresPx, onUrl }} />
      </div>
    </>
  );
}

interface NodeSquaresProps extends Omit<RolloutCellsProps, 'now'> {
  squares: readonly Square[];
}

/** A square a node; to pick one opens its pull. */
function NodeSquares({ rollout, squares, squaresPx, onUrl }: NodeSquaresProps) {
  const layout = layOutSquares(squares.length, squaresPx);
  return (
    <Squares
      label={`Nodes of ${rollout.reference}`}
      squares={squares}
      layout={layout}
      onPick={({ pullId = null }) =>
        onUrl({ page: 'live', query: imageQuery(rollout), open: pullId })
      }
    />
  );
}

/** The tag before this one: what to hold the figures against. */
function Before({ version, nodes, medianSeconds }: Previous) {
  return (
    <span className="image-before dim ellipsis">
      before {version.slice(0, 15)} · {plural(nodes, 'node')}
      {medianSeconds !== undefined && ` · median ${formatDuration(medianSeconds)}`}
    </span>
  );
}

/** Finds all pulls of the image: those that know its digest, and those that know only its name. */
function imageQuery({ reference, digest }: Rollout): string {
  const byName = `image:=${reference}`;
  return digest === undefined ? byName : `${byName} image:=${digest}`;
}

/** For all nodes, or for how many it can be said. */
function Ready({ rollout, now }: { rollout: Rollout; now: number }) {
  const { seconds, percent, unknown } = rollout.ready;
  if (seconds === undefined) {
    const words = rollout.done === rollout.nodes ? 'ready' : NONE;
    return <span className="dim">{unknown > 0 ? formatUnknown(unknown) : words}</span>;
  }
  return (
    <span className="image-ready" title={formatReadiness(rollout.ready)}>
      <span className="dim">{percent < 100 ? `${percent}%` : 'all'} by </span>
      <strong>{formatMinute(now + seconds * 1000)}</strong>
      <span className="dim image-unknown">
        {unknown > 0 ? formatUnknown(unknown) : `in ${formatDuration(Math.max(1, seconds))}`}
      </span>
    </span>
  );
}

function Figure({ value, queued = 0 }: { value: number; queued?: number }) {
  return (
    <div role="cell" className={value === 0 ? 'num dim' : 'num'}>
      {value === 0 ? NONE : formatCount(value)}
      {queued > 0 && <span className="dim image-unknown">+{formatCount(queued)} queued</span>}
    </div>
  );
}

/** Shares of the bar, each in the colour that its squares have; the rest is queued. */
const SHARES: readonly (readonly [name: string, kinds: readonly SquareKind[]])[] = [
  ['done', ['done']],
  ['active', ['extracting', 'downloading']],
  ['stuck', ['stalled', 'silent']],
  ['failed', ['failed']],
];

/** How the nodes stand, as shares of all. */
function NodesBar({ squares }: { squares: readonly Square[] }) {
  const counts = countKinds(squares);
  const share = (kinds: readonly SquareKind[]) =>
    counts.reduce((sum, [kind, count]) => (kinds.includes(kind) ? sum + count : sum), 0);
  return (
    <div
      className="nodes-bar"
      role="img"
      aria-label={`${plural(squares.length, 'node')}: ${counts.map(([kind, count]) => `${count} ${SQUARE_WORDS[kind]}`).join(', ')}`}
    >
      {SHARES.map(([name, kinds]) => (
        <span
          key={name}
          className={`is-${name}`}
          style={{ width: `${(share(kinds) / squares.length) * 100}%` }}
        />
      ))}
    </div>
  );
}
