// SPDX-License-Identifier: Apache-2.0
import { memo } from 'react';
import {
  NONE,
  UNIT_NOTE,
  formatAge,
  formatBytes,
  formatBytesOf,
  formatClock,
  formatDuration,
  formatPercent,
  formatRate,
  formatUtc,
  plural,
} from '../../lib/format';
import { splitImageRef } from '../../lib/imageRef';
import { isCheck } from '../../state/checks';
import {
  type Status,
  endedBadly,
  isUnderWay,
  isWaitedFor,
  statusOf,
  whatHappened,
} from '../../state/status';
import { waitingSince } from '../../state/times';
import { readySeconds } from '../../state/readiness';
import { type Pull, fullPodName, podNames } from '../../model/pull';
import { ImageName } from '../../ui/ImageName';
import { PodLink } from '../../ui/PodLink';
import { ProgressBar } from '../../ui/ProgressBar';
import { StatusIcon } from '../../ui/StatusIcon';
import { barShares } from './barShares';
import { COLUMN_INDEX, PERCENT_INDEX } from './columns';

interface PullRowProps {
  pull: Pull;
  /** Whole seconds since the start, or the pull's whole time once it is over. */
  elapsed: number;
  /** Seconds since the end, whole, for a finished pull. */
  finishedAgo: number | undefined;
  /** Seconds until the next attempt, whole, for a failed pull. */
  retry: number | undefined;
  /** The pull that a queued one waits for, where it is known. */
  behind: Pull | undefined;
  /** Seconds that its manifest has not come for, if those are too many. */
  late: number | undefined;
  /** Seconds without a byte, whole, if it stalls. */
  stalled: number;
  /** What is unusual about it, where the server says so. */
  note: string | undefined;
  /** When the present day began, here. */
  today: number;
  podCell: boolean;
}

/** These have no progress to draw. */
const WORDS_ONLY: ReadonlySet<Status> = new Set(['queued', 'resolving', 'failed', 'stale']);

/** What sets the pods of one workload apart; the last to go when there is little room. */
const POD_TAIL = /-[^-]{1,10}$/;

/** The cells of one pull. */
export const PullRow = memo(function PullRow(props: PullRowProps) {
  const { pull, elapsed, finishedAgo, retry, behind, late, stalled, note, today, podCell } = props;
  const status = statusOf(pull);
  const wordsOnly = WORDS_ONLY.has(status) || isCheck(pull);
  const known = pull.totalKnown || pull.totalBytes > 0;
  const speed = speedText(pull, status);
  return (
    <>
      <div role="gridcell" aria-colindex={COLUMN_INDEX.status} className="cell-status">
        <StatusIcon status={status} percent={pull.percent} late={late !== undefined} />
      </div>
      <div role="gridcell" aria-colindex={COLUMN_INDEX.image} className="cell-image">
        <ImageName reference={pull.imageRef} />
      </div>
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.node}
        className="cell-node name dim ellipsis"
        title={pull.nodeName}
      >
        {pull.nodeName}
      </div>
      {podCell && (
        <div role="gridcell" aria-colindex={COLUMN_INDEX.pods} className="cell-pods name dim">
          <Pods pull={pull} />
        </div>
      )}
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.progress}
        className={wordsOnly ? 'cell-progress is-words' : 'cell-progress'}
        aria-colspan={wordsOnly ? 2 : undefined}
      >
        <Progress {...{ pull, status, behind, late, stalled, note }} />
      </div>
      {!wordsOnly && (
        <div role="gridcell" aria-colindex={PERCENT_INDEX} className="cell-percent num">
          {known ? formatPercent(pull.percent) : NONE}
        </div>
      )}
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.speed}
        className={speed === NONE ? 'cell-speed num dim' : 'cell-speed num'}
        title={UNIT_NOTE}
      >
        {speed}
      </div>
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.size}
        className="cell-size num dim"
        title={sizeTitle(pull)}
      >
        {known ? sizeText(pull, status) : NONE}
      </div>
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.ready}
        className={`cell-ready num ellipsis ${isUnderWay(status) && status !== 'queued' ? '' : 'dim'}`}
        title={
          pull.completedAt === undefined
            ? undefined
            : `Ended ${clockWords(pull.completedAt, today)}`
        }
      >
        <Ready
          pull={pull}
          status={status}
          finishedAgo={finishedAgo}
          retry={retry}
          behind={behind}
        />
      </div>
      <div
        role="gridcell"
        aria-colindex={COLUMN_INDEX.elapsed}
        className="cell-elapsed num dim"
        title={elapsedTitle(pull, today)}
      >
        {isCheck(pull) ? NONE : formatDuration(elapsed)}
      </div>
    </>
  );
});

function Pods({ pull }: { pull: Pull }) {
  const [first] = pull.pods;
  if (first === undefined) return <>{NONE}</>;
  const all = podNames(pull);
  const others = all.length - 1;
  const name = fullPodName(first);
  const tail = POD_TAIL.exec(name)?.[0] ?? '';
  return (
    <span className="pods" title={podsTitle(all)}>
      <PodLink {...first} className="pod-name" inRow>
        <span className="ellipsis">{name.slice(0, name.length - tail.length)}</span>
        <span>{tail}</span>
      </PodLink>
      {others > 0 && <span className="pods-more">+{others}</span>}
    </span>
  );
}

/** So many names fit a tooltip. */
const TITLE_PODS = 20;

function podsTitle(names: readonly string[]): string {
  const more = names.length - TITLE_PODS;
  return [...names.slice(0, TITLE_PODS), more > 0 && `and ${more} more`].filter(Boolean).join('\n');
}

interface ProgressProps {
  pull: Pull;
  status: Status;
  behind: Pull | undefined;
  late: number | undefined;
  stalled: number;
  note: string | undefined;
}

function Progress({ pull, status, behind, late, stalled, note }: ProgressProps) {
  if (endedBadly(status)) {
    const attempts = (pull.attempts ?? 0) > 1 ? ` · ${plural(pull.attempts ?? 0, 'attempt')}` : '';
    return (
      <span className={`ellipsis note ${status}`} title={pull.error}>
        {whatHappened(pull)}
        {attempts}
      </span>
    );
  }
  if (status === 'queued') {
    return (
      <span className="ellipsis note name">
        {behind === undefined ? 'queued' : `queued behind ${repositoryOf(behind)}`}
      </span>
    );
  }
  if (late !== undefined) {
    return <span className="ellipsis note stalled">no manifest for {formatDuration(late)}</span>;
  }
  if (isCheck(pull)) return <span className="ellipsis note">checked, nothing to fetch</span>;
  if (status === 'resolving') {
    return <span className="ellipsis note">{note ?? 'reading the manifest'}</span>;
  }
  const shares = barShares(pull);
  return (
    <>
      <ProgressBar
        {...shares}
        percent={pull.percent}
        label={`Downloaded of ${pull.imageRef} on ${pull.nodeName}`}
      />
      {note !== undefined && (
        <span className="note stalled" title={note}>
          {note}
        </span>
      )}
      {note === undefined && status === 'completed' && shares.cached > 0.999 && (
        <span className="note">already present on the node</span>
      )}
      {note === undefined && isRemote(pull) && status === 'completed' && (
        <span className="note" title="The rest is fetched when it is read">
          {formatBytes(pull.bytesFetched ?? 0)} fetched, the rest on demand
        </span>
      )}
      {note === undefined && status === 'extracting' && (
        <span className="note">
          extracting {pull.layersExtracted ?? 0} of {pull.layerCount}
        </span>
      )}
      {note === undefined && status === 'stalled' && (
        <span className="note stalled">no data for {formatDuration(stalled)}</span>
      )}
    </>
  );
}

interface ReadyProps {
  pull: Pull;
  status: Status;
  finishedAgo: number | undefined;
  retry: number | undefined;
  behind: Pull | undefined;
}

function Ready({ pull, status, finishedAgo, retry, behind }: ReadyProps) {
  if (retry !== undefined) return <>retry in {formatDuration(retry)}</>;
  if (finishedAgo !== undefined) {
    const ago = finishedAgo < 1 ? 'now' : `${formatAge(finishedAgo)} ago`;
    return <>{status === 'completed' ? ago : `ended ${ago}`}</>;
  }
  if (status === 'queued') {
    const before = behind && readySeconds(behind);
    return <>{before === undefined ? NONE : `after ${formatDuration(Math.max(1, before))}`}</>;
  }
  const seconds = readySeconds(pull);
  if (!isUnderWay(status) || status === 'stalled' || seconds === undefined) return <>{NONE}</>;
  return (
    <>
      in <strong>{formatDuration(Math.max(1, seconds))}</strong>
    </>
  );
}

/** As clocks here show it, and as logs have it. */
function clockWords(at: number, today: number): string {
  return `at ${formatClock(at, today)} (${formatUtc(at)})`;
}

function elapsedTitle(pull: Pull, today: number): string {
  const began = `Started ${clockWords(pull.startedAt, today)}`;
  const since = waitingSince(pull);
  if (!isWaitedFor(pull) || since === pull.startedAt) return began;
  return `Waiting since ${formatClock(since, today)}. ${began}`;
}

function repositoryOf(pull: Pull): string {
  return splitImageRef(pull.imageRef).repository;
}

function speedText(pull: Pull, status: Status): string {
  const hasSpeed = status === 'stalled' || (isUnderWay(status) && pull.bytesPerSec > 0);
  return hasSpeed ? formatRate(pull.bytesPerSec) : NONE;
}

function sizeText(pull: Pull, status: Status): string {
  if (status === 'completed' && isRemote(pull))
    return formatBytesOf(pull.bytesFetched ?? 0, pull.totalBytes);
  if (status === 'completed' || !isUnderWay(status)) return formatBytes(pull.totalBytes);
  if (!pull.totalKnown) return formatBytes(pull.downloadedBytes);
  return formatBytesOf(pull.downloadedBytes, pull.totalBytes);
}

/** Mounted without being fetched, as a whole or in part. */
function isRemote({ remoteBytes = 0 }: Pull): boolean {
  return remoteBytes > 0;
}

function sizeTitle(pull: Pull): string {
  const { remoteBytes = 0 } = pull;
  const cached = (pull.cachedBytes ?? 0) - remoteBytes;
  const here = cached > 0 ? `, ${formatBytes(cached)} of it was already on the node` : '';
  const later = remoteBytes > 0 ? `, ${formatBytes(remoteBytes)} comes when it is read` : '';
  return `${formatBytesOf(pull.downloadedBytes, pull.totalBytes)}${here}${later}. ${UNIT_NOTE}`;
}
