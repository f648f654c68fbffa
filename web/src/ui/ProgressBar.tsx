// SPDX-License-Identifier: Apache-2.0
import './ProgressBar.css';

interface ProgressBarProps {
  /** Shares of the whole, 0 to 1, drawn one after the other. */
  cached: number;
  remote: number;
  extracted: number;
  downloaded: number;
  percent: number;
  label: string;
}

const LEGEND = 'Grey: was on the node before. Green: extracted. Blue: downloaded.';

/**
 * Four tones of one bar: here before, mounted remotely, unpacked, and downloaded. One element without children: a
 * table shows dozens, and a change of the background needs no layout.
 */
export function ProgressBar(props: ProgressBarProps) {
  const { cached, remote, extracted, downloaded, percent, label } = props;
  const here = cached + remote;
  const fetched = here + extracted;
  const tones = [
    tone('var(--cached)', 0, cached),
    // What lies under it is hatched.
    tone('transparent', cached, here),
    tone('var(--extract)', here, fetched),
    tone('var(--download)', fetched, fetched + downloaded),
    tone('var(--track)', fetched + downloaded, 1),
  ].filter((part) => part !== '');
  const hatching = remote > 0 ? ', var(--hatching)' : '';
  return (
    <div
      className="progress-bar"
      style={{ backgroundImage: `linear-gradient(to right, ${tones.join(', ')})${hatching}` }}
      role="progressbar"
      title={remote > 0 ? `${LEGEND} Hatched: mounted, fetched when it is read.` : LEGEND}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(percent)}
    />
  );
}

/** One stretch of the gradient; an empty one would still be drawn as a hair. */
function tone(colour: string, from: number, to: number): string {
  return to > from ? `${colour} ${share(from)} ${share(to)}` : '';
}

function share(part: number): string {
  return `${(Math.max(0, Math.min(1, part)) * 100).toFixed(2)}%`;
}
