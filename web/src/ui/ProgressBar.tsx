// SPDX-License-Identifier: Apache-2.0
import './ProgressBar.css';

interface ProgressBarProps {
  /** Shares of the whole, 0 to 1, drawn one after the other. */
  cached: number;
  extracted: number;
  downloaded: number;
  percent: number;
  label: string;
}

/**
 * Three tones of one bar: here before, unpacked, and downloaded. One element without children: a
 * table shows dozens, and a change of the background needs no layout.
 */
export function ProgressBar(props: ProgressBarProps) {
  const { cached, extracted, downloaded, percent, label } = props;
  const fetched = cached + extracted;
  const tones = [
    tone('cached', 0, cached),
    tone('extract', cached, fetched),
    tone('download', fetched, fetched + downloaded),
    tone('track', fetched + downloaded, 1),
  ].filter((part) => part !== '');
  return (
    <div
      className="progress-bar"
      style={{ backgroundImage: `linear-gradient(to right, ${tones.join(', ')})` }}
      role="progressbar"
      title="Grey: was on the node before. Green: extracted. Blue: downloaded."
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(percent)}
    />
  );
}

/** One stretch of the gradient; an empty one would still be drawn as a hair. */
function tone(name: string, from: number, to: number): string {
  return to > from ? `var(--${name}) ${share(from)} ${share(to)}` : '';
}

function share(part: number): string {
  return `${(Math.max(0, Math.min(1, part)) * 100).toFixed(2)}%`;
}
