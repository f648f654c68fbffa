// SPDX-License-Identifier: Apache-2.0
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useMemo, useRef, useState } from 'react';
import {
  formatCount,
  formatDuration,
  formatRate,
  NONE,
  plural,
  secondsSince,
  UNIT_NOTE,
} from '../../lib/format';
import { useSlice } from '../../state/context';
import { layOutSquares, squaresOfNodes } from '../../state/squares';
import type { ChangeUrl } from '../../state/urlState';
import type { NodeStatus } from '../../model/cluster';
import { EmptyState } from '../../ui/EmptyState';
import { Icon } from '../../ui/Icon';
import { NoAgent } from '../../ui/NoAgent';
import { SquareLegend, Squares } from '../../ui/Squares';
import { useWidth } from '../../ui/useWidth';
import { useNow } from '../../ui/useNow';
import { MOST_PRINTED, usePrinting } from '../../ui/usePrinting';
import './NodesPage.css';

/** One tile a node; silent ones first, then those without an agent. */
export function NodesPage({ onUrl }: { onUrl: ChangeUrl }) {
  const nodes = useSlice('nodes');
  const now = useNow();
  const sorted = useMemo(() => [...(nodes ?? [])].sort(byVoiceThenName), [nodes]);
  const { pulls } = useSlice('pulls');
  // What comes a few times a second is drawn once a second.
  const [held, setHeld] = useState({ pulls, at: now });
  if (held.pulls !== pulls && held.at !== now) setHeld({ pulls, at: now });
  const squares = useMemo(
    () => squaresOfNodes(nodes ?? [], held.pulls.values(), held.at),
    [nodes, held],
  );
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, nodes === null || nodes.length === 0);
  const count = (voice: Voice) => sorted.filter((node) => voiceOf(node) === voice).length;
  if (nodes === null) {
    return (
      <EmptyState title="Asking the server for its nodes…">
        <p>They appear here as soon as it answers.</p>
      </EmptyState>
    );
  }
  if (sorted.length === 0) return <NoAgent />;
  return (
    <>
      <h1 className="page-title">
        Nodes{' '}
        <span className="dim">
          {formatCount(count('reporting'))} reporting
          {count('silent') > 0 && (
            <span className="node-warning"> · {formatCount(count('silent'))} silent</span>
          )}
          {count('agentless') > 0 && ` · ${formatCount(count('agentless'))} without an agent`}
        </span>
      </h1>
      <div ref={box}>
        <section className="node-squares surface" aria-label="All nodes">
          <Squares
            label="Nodes"
            squares={squares}
            layout={layOutSquares(squares.length, width - SQUARES_INSET_PX)}
            onPick={({ nodeName }) => onUrl({ page: 'live', query: `node:=${nodeName}` })}
          />
          <SquareLegend squares={squares} />
        </section>
        <Tiles nodes={sorted} width={width} now={now} onUrl={onUrl} />
      </div>
    </>
  );
}

/** Left and right of the squares. */
const SQUARES_INSET_PX = 30;
const TILE_PX = 240;
const TILE_HEIGHT_PX = 98;

interface TilesProps {
  nodes: readonly NodeStatus[];
  width: number;
  now: number;
  onUrl: ChangeUrl;
}

/** Only the tiles in sight are in the page: a cluster has thousands. */
function Tiles({ nodes, width, now, onUrl }: TilesProps) {
  const list = useRef<HTMLUListElement>(null);
  const [margin, setMargin] = useState(0);
  const columns = Math.max(1, Math.floor((width + 10) / TILE_PX));
  useLayoutEffect(() => {
    setMargin((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY);
  }, [width, nodes.length]);
  const virtualizer = useWindowVirtualizer({
    count: Math.ceil(nodes.length / columns),
    estimateSize: () => TILE_HEIGHT_PX,
    overscan: 3,
    scrollMargin: margin,
  });
  const printing = usePrinting();
  const rows = virtualizer.getVirtualItems();
  const first = printing ? 0 : (rows[0]?.index ?? 0) * columns;
  const shown = nodes.slice(first, printing ? MOST_PRINTED : first + rows.length * columns);
  return (
    <ul
      ref={list}
      className="node-tiles"
      style={{
        gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
        height: printing ? 'auto' : `${virtualizer.getTotalSize()}px`,
        paddingTop: printing ? 0 : `${Math.max(0, (rows[0]?.start ?? margin) - margin)}px`,
      }}
    >
      {shown.map((node, index) => (
        <NodeTile
          key={node.nodeName}
          node={node}
          place={first + index + 1}
          of={nodes.length}
          now={now}
          onUrl={onUrl}
        />
      ))}
    </ul>
  );
}

/** Whether a node's agent is heard of; in the order of the tiles. */
const VOICES = ['silent', 'agentless', 'reporting'] as const;
type Voice = (typeof VOICES)[number];

function voiceOf(node: NodeStatus): Voice {
  if (node.lastReportAt === undefined) return 'agentless';
  return node.silent ? 'silent' : 'reporting';
}

function byVoiceThenName(a: NodeStatus, b: NodeStatus): number {
  const first = VOICES.indexOf(voiceOf(a)) - VOICES.indexOf(voiceOf(b));
  if (first !== 0) return first;
  return a.nodeName < b.nodeName ? -1 : a.nodeName > b.nodeName ? 1 : 0;
}

function voiceWords(node: NodeStatus, now: number): string {
  if (node.lastReportAt === undefined) return node.reason ?? 'no agent has reported';
  const age = secondsSince(node.lastReportAt, now);
  if (node.silent) return `silent for ${formatDuration(age)}`;
  return age === 0 ? 'reported now' : `reported ${formatDuration(age)} ago`;
}

interface NodeTileProps {
  node: NodeStatus;
  /** Among all, of which most are not in the page. */
  place: number;
  of: number;
  now: number;
  onUrl: ChangeUrl;
}

function NodeTile(props: NodeTileProps) {
  const { node, now, onUrl } = props;
  const voice = voiceOf(node);
  const silent = voice === 'silent';
  // Of one that nobody hears of it is not known; whose pulls get nothing is not idle.
  const quiet = node.activePulls > 0 ? formatRate(0) : 'idle';
  const still = voice === 'reporting' ? quiet : NONE;
  const software = [
    node.agentVersion !== '' && `agent ${node.agentVersion}`,
    node.runtimeName !== '' && `${node.runtimeName} ${node.runtimeVersion}`,
  ].filter((part) => part !== false);
  return (
    <li
      className={silent ? 'node-tile surface is-silent' : 'node-tile surface'}
      aria-posinset={props.place}
      aria-setsize={props.of}
    >
      <button
        type="button"
        className="node-name name ellipsis"
        title={`Show the pulls on ${node.nodeName}`}
        onClick={() => onUrl({ page: 'live', query: `node:=${node.nodeName}` })}
      >
        {node.nodeName}
      </button>
      <p className={silent ? 'node-report node-warning' : 'node-report dim'}>
        {silent && <Icon name="question" size={13} />}
        {voiceWords(node, now)}
      </p>
      <p className="node-figures" title={UNIT_NOTE}>
        {node.bytesPerSec > 0 ? formatRate(node.bytesPerSec) : <span className="dim">{still}</span>}
        <span className="dim">
          {node.activePulls > 0 ? plural(node.activePulls, 'active pull') : 'no pull'}
        </span>
      </p>
      <p className="node-software dim ellipsis" title={software.join(' · ')}>
        {software.length > 0 ? software.join(' · ') : NONE}
      </p>
    </li>
  );
}
