// SPDX-License-Identifier: Apache-2.0
import { useState } from 'react';
import { formatCount, formatDuration, plural, secondsSince } from '../../lib/format';
import type { Need, NeedKind } from '../../state/needs';
import { Command } from '../../ui/Command';
import { ErrorText } from '../../ui/ErrorText';
import { Icon } from '../../ui/Icon';
import { ImageName } from '../../ui/ImageName';
import { StatusIcon } from '../../ui/StatusIcon';
import './NeedsYou.css';

/** So many stand there from the start; the table must not go out of sight. */
const MOST_SHOWN = 3;
/** In a window as low as this, one: a laptop’s at 200 %. */
const LOW_PX = 560;

interface NeedsYouProps {
  needs: readonly Need[];
  now: number;
  onQuery: (query: string) => void;
  onNodes: () => void;
}

/** What will not get better by itself, each with what to do; or that there is nothing. */
export function NeedsYou({ needs, now, onQuery, onNodes }: NeedsYouProps) {
  const [all, setAll] = useState(false);
  const most = window.innerHeight < LOW_PX ? 1 : MOST_SHOWN;
  if (needs.length === 0) {
    return (
      <p className="needs-calm dim">
        <Icon name="check" size={14} className="completed" /> Nothing needs you: no pull is stuck.
      </p>
    );
  }
  const shown = all ? needs : needs.slice(0, most);
  return (
    <section className="needs surface" aria-labelledby="needs-head">
      <h2 id="needs-head" className="visually-hidden">
        Needs you
      </h2>
      <ul>
        {shown.map((need) => (
          <li key={need.key}>
            <details>
              <summary>
                <Headline need={need} now={now} />
              </summary>
              <div className="need-body">
                {need.error !== undefined && <ErrorText text={need.error} />}
                <p>{need.advice}</p>
                <Command text={need.command} what="command" onNode={need.onNode} />
                <button
                  type="button"
                  className="button"
                  onClick={() => (need.query === undefined ? onNodes() : onQuery(need.query))}
                >
                  {need.query === undefined ? 'Show the nodes' : 'Show these pulls'}
                </button>
              </div>
            </details>
          </li>
        ))}
      </ul>
      {needs.length > most && (
        <button
          type="button"
          className="needs-more dim"
          aria-expanded={all}
          onClick={() => setAll(!all)}
        >
          {all ? 'Fewer' : `and ${formatCount(needs.length - most)} more`}
        </button>
      )}
    </section>
  );
}

function Headline({ need, now }: { need: Need; now: number }) {
  const { kind, since, image, images, registry, error } = need;
  return (
    <>
      <Icon name="chevron" size={14} className="chevron" />
      {kind === 'silent' ? (
        <span className="status-icon stalled">
          <Icon name="question" size={15} />
        </span>
      ) : (
        <StatusIcon status={kind} percent={0} late={kind === 'resolving'} />
      )}
      <strong className={`ellipsis ${kind === 'failed' ? 'failed' : 'need-cause'}`} title={error}>
        {kind === 'silent' ? `${plural(need.nodes, 'node')} silent` : need.cause}
      </strong>
      {image !== undefined && (
        <span className="need-image">
          <ImageName reference={image} />
        </span>
      )}
      {image === undefined && images > 0 && (
        <span className="need-image name ellipsis">
          {plural(images, 'image')}
          {registry !== undefined && ` from ${registry}`}
        </span>
      )}
      {(kind !== 'silent' || need.pulls > 0) && (
        <span className="need-counts dim">
          {counts(need)}
          {since !== undefined && ` · for ${formatDuration(secondsSince(since, now))}`}
        </span>
      )}
      <span className="need-advice dim ellipsis">{need.advice}</span>
    </>
  );
}

const NOUNS: Record<NeedKind, string> = {
  failed: 'failure',
  stale: 'pull',
  stalled: 'pull',
  resolving: 'pull',
  silent: 'pull',
};

function counts({ kind, pulls, nodes, pods, errors }: Need): string {
  const where = kind !== 'silent' && plural(nodes, 'node');
  return [
    plural(pulls, NOUNS[kind]),
    errors > 1 && plural(errors, 'different error'),
    where,
    pods > 0 && plural(pods, 'pod'),
  ]
    .filter((words) => words !== false)
    .join(' · ');
}
