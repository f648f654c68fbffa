// SPDX-License-Identifier: Apache-2.0
import { useMemo } from 'react';
import { formatClock, formatDuration, secondsSince } from '../../lib/format';
import { describePod } from '../../lib/shell';
import type { Container, PodStory } from '../../model/pod';
import type { Pull } from '../../model/pull';
import { useSlice } from '../../state/context';
import { peersIn } from '../../state/peers';
import { containerWords, podSentence, storyFromPulls } from '../../state/podStory';
import { sentenceOf } from '../../state/sentence';
import { adviceFor, isUnderWay, statusOf } from '../../state/status';
import type { ChangeUrl } from '../../state/urlState';
import { Command } from '../../ui/Command';
import { BellButton } from '../../ui/BellButton';
import { EmptyState } from '../../ui/EmptyState';
import { Icon } from '../../ui/Icon';
import { ImageName } from '../../ui/ImageName';
import { Moment } from '../../ui/Moment';
import { StatusIcon } from '../../ui/StatusIcon';
import { useNow } from '../../ui/useNow';
import './PodPage.css';

/** Why one pod does not start: its containers in the order of their start, and what each waits for. */
export function PodPage({ pod, onUrl }: { pod: string; onUrl: ChangeUrl }) {
  const { pulls } = useSlice('pulls');
  const connection = useSlice('connection');
  const answer = useSlice('pod');
  const now = useNow();
  const ours = answer?.name === pod ? answer : undefined;
  const fromPulls = useMemo(() => storyFromPulls(pod, pulls.values()), [pod, pulls]);
  const gone = ours?.trouble === 'unknown';
  // What the server knows no more, the pulls that the pod had waited for may.
  const story = ours?.trouble === null ? ours.story : (fromPulls ?? ours?.story);
  return (
    <>
      <h1 className="page-title pod-title name">
        {pod}
        {story?.waiting === true && <BellButton bell={{ kind: 'pod', value: pod }} what={pod} />}
      </h1>
      {story === undefined ? (
        <NoStory
          asked={ours !== undefined}
          unknown={gone}
          live={connection.phase === 'live'}
          onUrl={onUrl}
        />
      ) : (
        <Story story={story} gone={gone} pulls={pulls} now={now} onUrl={onUrl} />
      )}
    </>
  );
}

function NoStory(props: { asked: boolean; unknown: boolean; live: boolean; onUrl: ChangeUrl }) {
  if (!props.asked || !props.live || !props.unknown) {
    return (
      <EmptyState title={props.asked ? 'The server did not answer' : 'Asking for this pod…'}>
        <p>What it waits for appears here as soon as the server answers.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="Nothing is pulled for this pod">
      <p>
        No image of it is missing, as far as the server knows: it is not on a node yet, has all its
        images, is gone, or the server does not watch its namespace.
      </p>
      <button
        type="button"
        className="button"
        onClick={() => props.onUrl({ page: 'live', pod: null })}
      >
        Show all pulls
      </button>
    </EmptyState>
  );
}

interface StoryProps {
  story: PodStory;
  /** The server keeps no story of it any more. */
  gone: boolean;
  pulls: ReadonlyMap<string, Pull>;
  now: number;
  onUrl: ChangeUrl;
}

function Story({ story, gone, pulls, now, onUrl }: StoryProps) {
  const peersOf = useMemo(() => peersIn(pulls), [pulls]);
  const command = describePod(story);
  const { waitingSince, readyEtaSeconds, endedAt } = story;
  return (
    <section className="pod-story surface" aria-label="Pod">
      <p className="pod-sentence" role="status">
        {podSentence(story)}
      </p>
      {gone && (
        <p className="dim">
          The server says no more of this pod: it has what it needs, or is gone. This is what its
          pulls were.
        </p>
      )}
      <dl className="pod-facts">
        <div>
          <dt className="dim">node</dt>
          <dd>
            <button
              type="button"
              className="image-link name"
              onClick={() => onUrl({ page: 'live', pod: null, query: `node:=${story.nodeName}` })}
            >
              {story.nodeName}
            </button>
          </dd>
        </div>
        {story.waiting && waitingSince !== undefined && (
          <div>
            <dt className="dim">waiting since</dt>
            <dd>
              <Moment at={waitingSince} now={now} />{' '}
              <span className="dim">{formatDuration(secondsSince(waitingSince, now))}</span>
            </dd>
          </div>
        )}
        {endedAt !== undefined && (
          <div>
            <dt className="dim">{story.outcome === 'ready' ? 'images present since' : 'until'}</dt>
            <dd>
              <Moment at={endedAt} now={now} />
            </dd>
          </div>
        )}
        {story.waiting && readyEtaSeconds !== undefined && (
          <div>
            <dt className="dim">all images present</dt>
            <dd>
              at {formatClock(now + readyEtaSeconds * 1000, now)}{' '}
              <span className="dim">in {formatDuration(Math.max(1, readyEtaSeconds))}</span>
            </dd>
          </div>
        )}
      </dl>
      <ol className="pod-containers">
        {story.containers.map((container) => {
          const pull = container.pullId === undefined ? undefined : pulls.get(container.pullId);
          return (
            <ContainerItem
              key={`${container.kind} ${container.name}`}
              container={container}
              pull={pull}
              sentence={pull && sentenceOf(pull, peersOf(pull), now)}
              now={now}
              onUrl={onUrl}
            />
          );
        })}
      </ol>
      <Command text={command} what="kubectl command" />
    </section>
  );
}

interface ContainerItemProps {
  container: Container;
  pull: Pull | undefined;
  sentence: string | undefined;
  now: number;
  onUrl: ChangeUrl;
}

function ContainerItem({ container, pull, sentence, now, onUrl }: ContainerItemProps) {
  const { name, kind, image, state } = container;
  const waits = state === 'waiting' || state === 'failed';
  return (
    <li className={waits ? 'pod-container' : 'pod-container is-here'}>
      <span className="pod-container-head">
        <ContainerIcon container={container} pull={pull} />
        <strong className="name">{name}</strong>
        {kind !== 'main' && <span className="dim">{kind}</span>}
        <span className={state === 'failed' ? 'failed' : 'dim'}>
          {containerWords(container, pull, now)}
        </span>
      </span>
      {image !== '' && (
        <span className="pod-container-image">
          <ImageName reference={image} />
        </span>
      )}
      {waits && pull !== undefined && (
        <p className="pod-container-sentence">
          {sentence}{' '}
          {!isUnderWay(statusOf(pull)) && <span className="dim">{adviceFor(pull)} </span>}
          <button
            type="button"
            className="image-link"
            onClick={() => onUrl({ page: 'live', pod: null, query: '', open: pull.id })}
          >
            Show the pull
          </button>
        </p>
      )}
    </li>
  );
}

function ContainerIcon({ container, pull }: { container: Container; pull: Pull | undefined }) {
  const { state } = container;
  if (state === 'ready' || state === 'started') {
    return <StatusIcon status="completed" percent={100} />;
  }
  if (state === 'failed') return <StatusIcon status="failed" percent={0} />;
  if (pull !== undefined) return <StatusIcon status={statusOf(pull)} percent={pull.percent} />;
  return (
    <span className="status-icon" role="img" aria-label="Waiting">
      <Icon name="clock" size={15} />
    </span>
  );
}
