// SPDX-License-Identifier: Apache-2.0
import { STATUS_WORDS, type Status } from '../state/status';
import { Icon, type IconName } from './Icon';
import './StatusIcon.css';

const ICONS: Record<Exclude<Status, 'downloading'>, IconName> = {
  queued: 'clock',
  resolving: 'dots',
  stalled: 'pause',
  extracting: 'extract',
  completed: 'check',
  failed: 'cross',
  stale: 'question',
};

/** A status as a shape of its own, so that colour is never the only sign. */
export function StatusIcon(props: { status: Status; percent: number; late?: boolean }) {
  const { status, percent, late = false } = props;
  const words = late ? 'Resolving for too long' : STATUS_WORDS[status];
  return (
    <span
      className={`status-icon ${late ? 'stalled' : status}`}
      role="img"
      aria-label={words}
      title={words}
    >
      {late ? (
        <Icon name="hourglass" size={15} />
      ) : status === 'downloading' ? (
        <Ring percent={percent} />
      ) : (
        <Icon name={ICONS[status]} size={15} />
      )}
    </span>
  );
}

/** Fills with the download. It stands still: many turning signs are neither calm nor cheap. */
function Ring({ percent }: { percent: number }) {
  return (
    <svg width="15" height="15" viewBox="0 0 15 15" aria-hidden="true" className="ring">
      <circle cx="7.5" cy="7.5" r="5.5" className="ring-track" />
      <circle
        cx="7.5"
        cy="7.5"
        r="5.5"
        className="ring-arc"
        pathLength="100"
        strokeDasharray={`${Math.max(4, Math.floor(percent))} 100`}
        transform="rotate(-90 7.5 7.5)"
      />
    </svg>
  );
}
