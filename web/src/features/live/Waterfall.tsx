// SPDX-License-Identifier: Apache-2.0
import { shortDigest } from '../../lib/format';
import type { Layer, Pull } from '../../model/pull';
import './Waterfall.css';
import { layOut } from './waterfallModel';

const LEGEND = [
  ['wait', 'queued'],
  ['download', 'download'],
  ['extract', 'extract'],
  ['cached', 'already present'],
  ['remote', 'on demand'],
] as const;

/** Every layer on the pull's time axis: when it waited, came, and was unpacked. */
export function Waterfall(props: {
  pull: Pull;
  layers: readonly Layer[];
  now: number;
  silentSince: number | undefined;
}) {
  const { rows, ticks, counts } = layOut(props.pull, props.layers, props.now, props.silentSince);
  const remote = props.layers.some(({ source }) => source === 'remote');
  return (
    <section className="waterfall" aria-label="Layers">
      <header className="waterfall-head">
        <h3>Layers</h3>
        <span className="dim">{counts}</span>
        <span className="waterfall-legend dim">
          {LEGEND.filter(([kind]) => kind !== 'remote' || remote).map(([kind, label]) => (
            <span key={kind}>
              <i className={`swatch seg-${kind}`} /> {label}
            </span>
          ))}
        </span>
      </header>
      <div className="waterfall-axis dim" aria-hidden="true">
        <div className="waterfall-track">
          {ticks.map((tick) => (
            <span key={tick.at} style={{ left: `${tick.at * 100}%` }}>
              {tick.label}
            </span>
          ))}
        </div>
      </div>
      <ol className="waterfall-rows">
        {rows.map((row, index) => (
          <li key={row.digest + String(index)} className="waterfall-row">
            <span className="dim waterfall-index">{index + 1}</span>
            <code className="dim" title={row.digest}>
              {shortDigest(row.digest)}
            </code>
            <span className="num dim">{row.size}</span>
            <span className="waterfall-track" aria-hidden="true">
              {row.segments.map((segment) => (
                <i
                  key={`${segment.kind}${segment.from}`}
                  className={`segment seg-${segment.kind}`}
                  style={{
                    left: `${segment.from * 100}%`,
                    width: `${(segment.to - segment.from) * 100}%`,
                  }}
                />
              ))}
            </span>
            <span className={`num waterfall-words tone-${row.tone}`}>{row.words}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
