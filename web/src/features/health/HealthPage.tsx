// SPDX-License-Identifier: Apache-2.0
import { useMemo, useState } from 'react';
import { formatCount, formatRate, plural } from '../../lib/format';
import type { AgentProof } from '../../model/cluster';
import { useSlice } from '../../state/context';
import { troubledPulls, verdictOf } from '../../state/blame';
import { registryOf } from '../../state/query';
import { type Trace, tracesOfNodes, tracesOfPulls, tracesOfRegistries } from '../../state/traces';
import type { ChangeUrl } from '../../state/urlState';
import { Icon } from '../../ui/Icon';
import { NoAgent } from '../../ui/NoAgent';
import { useNow } from '../../ui/useNow';
import './HealthPage.css';
import { TraceTile } from './TraceTile';

const STEP_MS = 5000;
/** The worst; what is beyond them is counted. */
const MOST_NODES = 48;

/** Where the fault lies: the last half hour of each registry, and of each node that had trouble. */
export function HealthPage({ onUrl }: { onUrl: ChangeUrl }) {
  const { pulls } = useSlice('pulls');
  const answers = { registries: useSlice('registries'), nodes: useSlice('nodes') };
  const summary = useSlice('summary');
  // Half a minute is a step: what comes many times a second need not be added up as often.
  const step = Math.floor(useNow() / STEP_MS) * STEP_MS;
  const [{ pulls: held, at }, setHeld] = useState({ pulls, at: step });
  if (held !== pulls && (at !== step || held.size === 0)) setHeld({ pulls, at: step });
  const troubled = useMemo(() => troubledPulls(held.values(), step), [held, step]);
  const verdict = useMemo(() => verdictOf(troubled), [troubled]);
  const registries = useMemo(
    () =>
      answers.registries === null
        ? tracesOfPulls(held.values(), registryOf, step)
        : tracesOfRegistries(answers.registries),
    [answers.registries, held, step],
  );
  const nodes = useMemo(() => {
    const known = tracesOfNodes(answers.nodes, troubled);
    if (known !== undefined) return known;
    const names = new Set(troubled.map(({ nodeName }) => nodeName));
    return tracesOfPulls(
      held.values(),
      ({ nodeName }) => (names.has(nodeName) ? nodeName : undefined),
      step,
    );
  }, [answers.nodes, troubled, held, step]);
  if (summary !== null && summary.nodesReporting + summary.nodesSilent === 0) return <NoAgent />;
  return (
    <>
      <h1 className="page-title">
        Node, registry, or us? <span className="dim">the last 30 minutes</span>
      </h1>
      <p className="verdict surface" role="status">
        <Icon
          name={verdict.kind === 'calm' ? 'check' : 'question'}
          size={16}
          className={verdict.kind === 'calm' ? 'completed' : undefined}
        />
        <strong>{verdict.head}</strong>
        <span className="verdict-words">{verdict.words}.</span>
        {verdict.query !== undefined && (
          <button
            type="button"
            className="button"
            onClick={() => onUrl({ page: 'live', query: verdict.query ?? '', open: null })}
          >
            Show these pulls
          </button>
        )}
      </p>
      <Traces
        title="Registries"
        note={registries.length === 0 ? 'no traffic' : undefined}
        traces={registries}
        token="registry"
        onUrl={onUrl}
      />
      <Traces
        title="Nodes with problems"
        note={nodesNote(nodes.length)}
        traces={nodes.slice(0, MOST_NODES)}
        token="node"
        onUrl={onUrl}
      />
      <Agents knownBy={summary?.agentsKnownBy} />
    </>
  );
}

const FOR_ANY = 'whoever has it could report for any node';

/** What the summary's word means. */
const KNOWN_BY: Record<AgentProof, string> = {
  keys: 'Each authenticates with its own token, verified with the cluster’s keys',
  reviews: 'Each authenticates with its own token, reviewed by the API server',
  unknown: 'None can authenticate yet: the Kubernetes API has not sent the keys of their tokens',
  none: 'None can authenticate: the server may neither read the cluster’s keys nor review tokens',
  fallback: `All use the shared token, since the server may not verify their own: ${FOR_ANY}`,
  shared_token: `All use one shared token: ${FOR_ANY}`,
  nothing: 'They need no token: whoever reaches the server could report for any node',
};
/** They are not known as was asked for. */
const NOT_AS_ASKED: readonly AgentProof[] = ['unknown', 'none', 'fallback'];

function Agents({ knownBy }: { knownBy: AgentProof | undefined }) {
  if (knownBy === undefined) return null;
  const words = KNOWN_BY[knownBy];
  return (
    <section className="traces" aria-label="Agents">
      <h2>Agents</h2>
      {NOT_AS_ASKED.includes(knownBy) ? (
        <p className="known-by is-not-as-asked">
          <Icon name="question" size={13} /> {words}.
        </p>
      ) : (
        <p className="known-by dim">{words}.</p>
      )}
    </section>
  );
}

function nodesNote(count: number): string | undefined {
  if (count === 0) return 'no node had a stall or a failure';
  const more = count - MOST_NODES;
  return more > 0 ? `the worst ${MOST_NODES} of ${formatCount(count)}` : plural(count, 'node');
}

/** What shares a place in the server's list has no name to search for. */
const OTHER = 'other';

interface TracesProps {
  title: string;
  note: string | undefined;
  traces: readonly Trace[];
  /** Of the search, for one of them. */
  token: 'registry' | 'node';
  onUrl: ChangeUrl;
}

function Traces({ title, note, traces, token, onUrl }: TracesProps) {
  const most = Math.max(1, ...traces.flatMap(({ history }) => history.bytesPerSec));
  return (
    <section className="traces" aria-label={title}>
      <h2>
        {title}{' '}
        <span className="dim" title="All charts of this section share one scale">
          {[note, most > 1 && `speeds up to ${formatRate(most)}`].filter(Boolean).join(' · ')}
        </span>
      </h2>
      {traces.length > 0 && (
        <ul className="trace-tiles">
          {traces.map((trace) => (
            <TraceTile
              key={trace.name}
              trace={trace}
              most={most}
              query={trace.name === OTHER ? undefined : `${token}:=${trace.name}`}
              onUrl={onUrl}
            />
          ))}
        </ul>
      )}
    </section>
  );
}
