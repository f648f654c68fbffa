// SPDX-License-Identifier: Apache-2.0
import { useMemo } from 'react';
import { NONE, UNIT_NOTE, formatCount, formatDuration, formatRate, plural } from '../../lib/format';
import { useSlice } from '../../state/context';
import type { ChangeUrl } from '../../state/urlState';
import type { NodeStatus } from '../../model/cluster';
import { EmptyState } from '../../ui/EmptyState';
import { Icon } from '../../ui/Icon';
import { NoAgent } from '../../ui/NoAgent';
import { useNow } from '../../ui/useNow';
import './NodesPage.css';

/** One tile a node; silent ones first, then those without an agent. */
export function NodesPage({ onUrl }: { onUrl: ChangeUrl }) {
  const nodes = useSlice('nodes');
  const now = useNow();
  const sorted = useMemo(() => [...(nodes ?? [])].sort(byVoiceThenName), [nodes]);
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
      <ul className="node-tiles">
        {sorted.map((node) => (
          <NodeTile key={node.nodeName} node={node} now={now} onUrl={onUrl} />
        ))}
      </ul>
    </>
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
  const age = Math.max(0, Math.floor((now - node.lastReportAt) / 1000));
  if (node.silent) return `silent for ${formatDuration(age)}`;
  return age === 0 ? 'reported now' : `reported ${formatDuration(age)} ago`;
}

function NodeTile(props: { node: NodeStatus; now: number; onUrl: ChangeUrl }) {
  const { node, now, onUrl } = props;
  const silent = voiceOf(node) === 'silent';
  const software = [
    node.agentVersion !== '' && `agent ${node.agentVersion}`,
    node.runtimeName !== '' && `${node.runtimeName} ${node.runtimeVersion}`,
  ].filter((part) => part !== false);
  return (
    <li className={silent ? 'node-tile surface is-silent' : 'node-tile surface'}>
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
