// SPDX-License-Identifier: Apache-2.0
import { type ReactNode, useMemo } from 'react';
import {
  formatBytes,
  formatDuration,
  formatRate,
  middleDigest,
  plural,
  secondsSince,
  UNIT_NOTE,
} from '../../lib/format';
import { describePod } from '../../lib/shell';
import { useSlice } from '../../state/context';
import type { AppState } from '../../state/store';
import { checksOf } from '../../state/checks';
import { UNNAMED } from '../../state/images';
import { registryOf } from '../../state/query';
import {
  STATUS_WORDS,
  adviceFor,
  endedBadly,
  errorWords,
  isOfNow,
  isUnderWay,
  isWaitedFor,
  statusOf,
} from '../../state/status';
import { retrySeconds, waitingSince } from '../../state/times';
import type { PullDetail as Detail } from '../../model/decode';
import { type PodRef, type Pull, fullPodName } from '../../model/pull';
import { BellButton } from '../../ui/BellButton';
import { Command } from '../../ui/Command';
import { CopyButton } from '../../ui/CopyButton';
import { ErrorText } from '../../ui/ErrorText';
import { Moment } from '../../ui/Moment';
import { PodLink } from '../../ui/PodLink';
import './PullDetail.css';
import { Waterfall } from './Waterfall';
import { slowestPart } from './waterfallModel';

interface PullDetailProps {
  pull: Pull;
  /** How it stands, in words. */
  sentence: string;
  now: number;
}

/** What an open row shows: layers, who waits, what exactly is pulled, and what went wrong. */
export function PullDetail({ pull, sentence, now }: PullDetailProps) {
  const answer = useSlice('detail');
  const trouble = useSlice('detailTrouble');
  const detail = answer?.pull.id === pull.id ? answer : undefined;
  const layers = detail?.layers;
  const silentSince = silentSinceOf(pull, detail);
  const failed = endedBadly(statusOf(pull));
  return (
    <div role="gridcell" className="pull-detail">
      <div className="detail-main">
        <p className="detail-sentence">
          {sentence}
          {isOfNow(pull) && <BellButton bell={{ kind: 'pull', value: pull.id }} what="it" />}
        </p>
        {failed && <Failure pull={pull} now={now} />}
        {silentSince !== undefined && (
          <p className="detail-silent">
            {pull.nodeName} has not reported for {formatDuration((now - silentSince) / 1000)}. This
            is what it reported then.
          </p>
        )}
        {layers === undefined || layers.length === 0 ? (
          <p className="dim detail-empty">
            {layers === undefined ? noAnswer(trouble) : noLayers(pull)}
          </p>
        ) : (
          <Waterfall pull={pull} layers={layers} now={now} silentSince={silentSince} />
        )}
      </div>
      <div className="detail-side">
        <Waiting pods={pull.pods} over={!isWaitedFor(pull)} />
        <Checks pull={pull} now={now} />
        <ImageFacts pull={pull} detail={detail} now={now} />
      </div>
    </div>
  );
}

function noAnswer(trouble: AppState['detailTrouble']): string {
  if (trouble === 'unknown') return 'The server no longer has the layers of this pull.';
  return trouble === 'unanswered' ? 'The server did not answer. Asking again…' : 'Loading layers…';
}

/** When the last report came of a pull under way whose node is silent. */
function silentSinceOf(pull: Pull, detail: Detail | undefined): number | undefined {
  const node = detail?.node;
  return node?.silent === true && isUnderWay(statusOf(pull)) ? node.lastReportAt : undefined;
}

function noLayers(pull: Pull): string {
  return isUnderWay(statusOf(pull))
    ? 'The manifest has not been read yet; layers appear as soon as it is.'
    : 'No layer was ever read for this pull.';
}

function Failure({ pull, now }: { pull: Pull; now: number }) {
  const attempts = pull.attempts ?? 1;
  const next = retrySeconds(pull, now);
  return (
    <section className="failure" aria-label="Failure">
      <header>
        <h3 className="failed">{errorWords(pull) ?? STATUS_WORDS[statusOf(pull)].toLowerCase()}</h3>
        <span className="dim">
          {plural(attempts, 'attempt')}
          {next !== undefined && ` · next in ${formatDuration(next)}`}
        </span>
      </header>
      {pull.error !== undefined && <ErrorText text={pull.error} />}
      <p className="dim">{adviceFor(pull)}</p>
    </section>
  );
}

const PODS_SHOWN = 8;

function Waiting({ pods, over }: { pods: readonly PodRef[]; over: boolean }) {
  const byPod = useMemo(() => containersByPod(pods), [pods]);
  const [first] = byPod;
  if (first === undefined) {
    return (
      <section aria-label="Waiting pods">
        <h3>{over ? 'Waited' : 'Waiting'}</h3>
        <p className="dim">
          No pod is known to wait for this pull; without Kubernetes none ever is.
        </p>
      </section>
    );
  }
  const spaces = new Set(byPod.map((pod) => pod.namespace));
  const where = spaces.size === 1 ? first.namespace : plural(spaces.size, 'namespace');
  const command = describePod(first);
  return (
    <section aria-label="Waiting pods">
      <h3>
        {over ? 'Waited' : 'Waiting'}{' '}
        <span className="dim detail-note">
          {plural(byPod.length, 'pod')} in {where}
        </span>
      </h3>
      <ul className="pod-list name">
        {byPod.slice(0, PODS_SHOWN).map((pod) => (
          <li key={fullPodName(pod)}>
            <span title={fullPodName(pod)}>
              <PodLink {...pod}>
                {spaces.size > 1 ? `${pod.namespace}/` : ''}
                {pod.podName}
              </PodLink>
            </span>
            <span className="dim ellipsis">{pod.containers.join(', ')}</span>
          </li>
        ))}
        {byPod.length > PODS_SHOWN && (
          <li className="dim">and {plural(byPod.length - PODS_SHOWN, 'more pod')}</li>
        )}
      </ul>
      <Command text={command} what="kubectl command" />
    </section>
  );
}

/** Later pulls of the image on this node, which found it there. */
function Checks({ pull, now }: { pull: Pull; now: number }) {
  const { pulls } = useSlice('pulls');
  const [newest, ...others] = useMemo(() => checksOf(pulls, pull), [pulls, pull]);
  if (newest === undefined) return null;
  const ago = formatDuration(Math.max(0, now - newest.startedAt) / 1000);
  return (
    <section aria-label="Checks">
      <h3>
        +{plural(others.length + 1, 'check')}{' '}
        <span className="dim detail-note">the last one {ago} ago</span>
      </h3>
      <p className="dim">The registry was asked, everything was here, nothing was fetched.</p>
    </section>
  );
}

interface PodContainers {
  namespace: string;
  podName: string;
  containers: string[];
}

function containersByPod(pods: readonly PodRef[]): PodContainers[] {
  const byPod = new Map<string, PodContainers>();
  for (const { namespace, podName, container } of pods) {
    const key = fullPodName({ namespace, podName });
    const known = byPod.get(key);
    if (known === undefined) byPod.set(key, { namespace, podName, containers: [container] });
    else known.containers.push(container);
  }
  return [...byPod.values()];
}

function ImageFacts(props: { pull: Pull; detail: Detail | undefined; now: number }) {
  const { pull, detail, now } = props;
  const active = isUnderWay(statusOf(pull));
  const { remoteBytes: remote = 0 } = pull;
  const cached = (pull.cachedBytes ?? 0) - remote;
  const registry = registryOf(pull);
  const heard = active && detail?.node?.silent !== true;
  const nodeRate = heard ? (detail?.node?.bytesPerSec ?? 0) : 0;
  const slowest = heard && detail !== undefined ? slowestPart(detail.layers) : undefined;
  const spent = [
    pull.queuedSeconds !== undefined && `queued ${formatDuration(pull.queuedSeconds)}`,
    pull.downloadSeconds !== undefined && `download ${formatDuration(pull.downloadSeconds)}`,
    pull.extractSeconds !== undefined && `extract ${formatDuration(pull.extractSeconds)}`,
  ].filter((part) => part !== false);
  return (
    <section aria-label="Image">
      <h3>Image</h3>
      <dl className="facts">
        {pull.imageRef !== UNNAMED && (
          <Fact name="reference" copy={pull.imageRef}>
            <span className="name ellipsis" title={pull.imageRef}>
              {pull.imageRef}
            </span>
          </Fact>
        )}
        {pull.rootDigest !== undefined && pull.rootDigest !== pull.manifestDigest && (
          <DigestFact name="index" digest={pull.rootDigest} />
        )}
        {pull.manifestDigest !== undefined && (
          <DigestFact name="manifest" digest={pull.manifestDigest} />
        )}
        {pull.platform !== undefined && <Fact name="platform">{pull.platform}</Fact>}
        {cached > 0 && (
          <Fact name="already present">
            <span title={UNIT_NOTE}>
              {formatBytes(cached)} of {formatBytes(pull.totalBytes)}
            </span>
          </Fact>
        )}
        {remote > 0 && (
          <Fact name="on demand">
            <span title={`Mounted; a file is fetched when it is read. ${UNIT_NOTE}`}>
              {formatBytes(remote)} of {formatBytes(pull.totalBytes)}
            </span>
          </Fact>
        )}
        {registry !== undefined && (
          <Fact name="registry">
            <span className="ellipsis">{registry}</span>
          </Fact>
        )}
        {nodeRate > 0 && (
          <Fact name="node’s pulls">
            <span title={`All pulls on ${pull.nodeName}; what two of them share counts once`}>
              {formatRate(nodeRate)} in total
            </span>
          </Fact>
        )}
        {slowest !== undefined && <Fact name="slowest layer">{slowest}</Fact>}
        <Times pull={pull} now={now} />
        {spent.length > 0 && <Fact name="time spent">{spent.join(' · ')}</Fact>}
      </dl>
    </section>
  );
}

/** When it was, so that it can be held beside logs and other people's charts. */
function Times({ pull, now }: { pull: Pull; now: number }) {
  const since = waitingSince(pull);
  return (
    <>
      {isWaitedFor(pull) && (
        <Fact name="waiting since">
          <Moment at={since} now={now} />
          <span className="dim">{formatDuration(secondsSince(since, now))}</span>
        </Fact>
      )}
      {(!isWaitedFor(pull) || since !== pull.startedAt) && (
        <Fact name="started">
          <Moment at={pull.startedAt} now={now} />
        </Fact>
      )}
      {pull.completedAt !== undefined && (
        <Fact name="ended">
          <Moment at={pull.completedAt} now={now} />
        </Fact>
      )}
    </>
  );
}

function DigestFact({ name, digest }: { name: string; digest: string }) {
  return (
    <Fact name={name} copy={digest}>
      <code className="ellipsis" title={digest}>
        {middleDigest(digest)}
      </code>
    </Fact>
  );
}

function Fact(props: { name: string; copy?: string; children: ReactNode }) {
  return (
    <div className="fact">
      <dt className="dim">{props.name}</dt>
      <dd>
        {props.children}
        {props.copy !== undefined && <CopyButton text={props.copy} what={props.name} />}
      </dd>
    </div>
  );
}
