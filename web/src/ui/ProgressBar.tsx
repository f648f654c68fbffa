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
  const first = share(cached);
  const second = share(cached + extracted);
  const third = share(cached + extracted + downloaded);
  const tones = [
    `var(--cached) ${first}`,
    `var(--extract) ${first} ${second}`,
    `var(--download) ${second} ${third}`,
    `var(--track) ${third}`,
  ];
  return (
    <div
      className="progress-bar"
      style={{ backgroundImage: `linear-gradient(to right, ${tones.join(', ')})` }}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(percent)}
    />
  );
}

function share(part: number): string {
  return `${(Math.max(0, Math.min(1, part)) * 100).toFixed(2)}%`;
}
