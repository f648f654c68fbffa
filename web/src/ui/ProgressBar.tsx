// SPDX-License-Identifier: Apache-2.0
import './ProgressBar.css';

interface ProgressBarProps {
  /** Shares of the whole, 0 to 1, drawn one after the other. */
  cached: number;
  extracted: number;
  downloaded: number;
  percent: number;
  label: string;
  stalled?: boolean;
}

/** Three tones of one bar: here before, unpacked, and downloaded. */
export function ProgressBar(props: ProgressBarProps) {
  const { cached, extracted, downloaded, percent, label, stalled = false } = props;
  return (
    <div
      className={stalled ? 'progress-bar is-stalled' : 'progress-bar'}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(percent)}
    >
      <span className="bar-cached" style={{ width: share(cached) }} />
      <span className="bar-extracted" style={{ width: share(extracted) }} />
      <span className="bar-downloaded" style={{ width: share(downloaded) }} />
    </div>
  );
}

function share(part: number): string {
  return `${(Math.max(0, Math.min(1, part)) * 100).toFixed(2)}%`;
}
