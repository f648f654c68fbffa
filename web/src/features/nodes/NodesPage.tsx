// SPDX-License-Identifier: Apache-2.0
import { useMemo } from 'react';
import { NONE, UNIT_NOTE, formatCount, formatDuration, formatRate, plural } from '../../lib/format';
import { useSlice } from '../../state/context';
import type { ChangeUrl } from '../../state/urlState';
import type { NodeStatus } from '../../stream/wire';
import { EmptyState } from '../../ui/EmptyState';
import { Icon } from '../../ui/Icon';
import { NoAgent } from '../../ui/NoAgent';
import { useNow } from '../../ui/useNow';
import './NodesPage.css';

/** One tile a node; silent ones first. */
export function NodesPage({ onUrl }: { onUrl: ChangeUrl }) {
  const nodes = useSlice('nodes');
  const now = useNow();
  const sorted = useMemo(() => [...(nodes ?? [])].sort(bySilenceThenName), [nodes]);
  const silent = sorted.filter((node) => node.silent).length;
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
          {formatCount(sorted.length - silent)} reporting
          {silent > 0 && <span className="node-warning"> · {formatCount(silent)} silent</span>}
        </span>
      </h1>
      <ul className="node-tiles">
        {sorted.map((node) => (
          <NodeTile key={node.nodeName} node={node} now={now} onUrl={onUrl} />
        ))}
      </ul>
    </>
  );
}

function bySilenceThenName(a: NodeStatus, b: NodeStatus): number {
  if (a.silent !== b.silent) return a.silent ? -1 : 1;
  return a.nodeName < b.nodeName ? -1 : a.nodeName > b.nodeName ? 1 : 0;
}

function NodeTile(props: { node: NodeStatus; now: number; onUrl: ChangeUrl }) {
  const { node, now, onUrl } = props;
  const age = Math.max(0, Math.floor((now - node.lastReportAt) / 1000));
  const software = [
    node.agentVersion !== '' && `agent ${node.agentVersion}`,
    node.runtimeName !== '' && `${node.runtimeName} ${node.runtimeVersion}`,
  ].filter((part) => part !== false);
  return (
    <li className={node.silent ? 'node-tile surface is-silent' : 'node-tile surface'}>
      <button
        type="button"
        className="node-name name ellipsis"
        title={`Show the pulls on ${node.nodeName}`}
        onClick={() => onUrl({ page: 'live', query: `node:${node.nodeName}` })}
      >
        {node.nodeName}
      </button>
      <p className={node.silent ? 'node-report node-warning' : 'node-report dim'}>
        {node.silent && <Icon name="question" size={13} />}
        {node.silent
          ? `silent for ${formatDuration(age)}`
          : age === 0
            ? 'reported now'
            : `reported ${formatDuration(age)} ago`}
      </p>
      <p className="node-figures" title={UNIT_NOTE}>
        {node.bytesPerSec > 0 ? formatRate(node.bytesPerSec) : <span className="dim">idle</span>}
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
