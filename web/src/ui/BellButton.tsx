// SPDX-License-Identifier: Apache-2.0
import type { Bell } from '../state/bells';
import './CopyButton.css';
import { Icon } from './Icon';
import { useBell } from './useBells';

/** Asks for a notification of the browser; not there where it allows none. */
export function BellButton({ bell, what }: { bell: Bell; what: string }) {
  const { isSet, toggle } = useBell(bell);
  if (isSet === undefined) return null;
  return (
    <button
      type="button"
      className="copy-button bell-button"
      aria-pressed={isSet}
      aria-label={`notify me when ${what} is ready or fails`}
      title="A notification of the browser when it is ready or fails, as long as this page is open"
      onClick={toggle}
    >
      <Icon name="bell" size={12} /> notify me
    </button>
  );
}
