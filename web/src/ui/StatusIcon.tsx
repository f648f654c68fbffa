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
  lost: 'question',
};

/** A status as a shape of its own, so that colour is never the only sign. */
export function StatusIcon({ status }: { status: Status }) {
  return (
    <span className={`status-icon ${status}`} title={STATUS_WORDS[status]}>
      {status === 'downloading' ? (
        <span className="spinner" aria-hidden="true" />
      ) : (
        <Icon name={ICONS[status]} size={15} />
      )}
      <span className="visually-hidden">{STATUS_WORDS[status]}</span>
    </span>
  );
}
