// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, type PointerEvent, useId, useMemo, useState } from 'react';
import { formatCount } from '../lib/format';
import {
  SQUARE_WORDS,
  type Square,
  type SquareKind,
  type SquareLayout,
  countKinds,
} from '../state/squares';
import './Squares.css';

interface SquaresProps {
  /** What they are of. */
  label: string;
  squares: readonly Square[];
  layout: SquareLayout;
  onPick: (square: Square) => void;
}

/**
 * One square a node. Thousands are nine paths, not thousands of elements; the arrow keys walk them, and
 * who cannot see them hears the one that they stand at.
 */
export function Squares({ label, squares, layout, onPick }: SquaresProps) {
  const { pitch, columns, height } = layout;
  const id = useId();
  const [current, setCurrent] = useState(0);
  const at = Math.min(current, squares.length - 1);
  const paths = useMemo(() => pathsOf(squares, pitch, columns), [squares, pitch, columns]);
  const square = squares[at];
  if (square === undefined) return null;

  const under = ({ clientX, clientY, currentTarget }: PointerEvent | React.MouseEvent) => {
    const box = currentTarget.getBoundingClientRect();
    const column = Math.floor((clientX - box.left) / pitch);
    const index = Math.floor((clientY - box.top) / pitch) * columns + column;
    return column >= 0 && column < columns ? index : -1;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = stepped(event.key, at, columns, squares.length);
    if (to !== undefined) setCurrent(to);
    else if (event.key === 'Enter' || event.key === ' ') onPick(square);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      className="squares"
      role="listbox"
      aria-label={label}
      aria-activedescendant={id}
      tabIndex={0}
      style={{ width: `${columns * pitch}px`, height: `${height}px` }}
      onKeyDown={onKeyDown}
      onPointerMove={(event) => {
        const { currentTarget } = event;
        const words = squares[under(event)]?.words ?? '';
        if (currentTarget.title !== words) currentTarget.title = words;
      }}
      onClick={(event) => {
        const index = under(event);
        const found = squares[index];
        if (found === undefined) return;
        setCurrent(index);
        onPick(found);
      }}
    >
      <svg width={columns * pitch} height={height} aria-hidden="true">
        {paths.map(([kind, path]) => (
          <path key={kind} className={`square-${kind}`} d={path} />
        ))}
      </svg>
      <span
        id={id}
        role="option"
        aria-selected="true"
        aria-label={square.words}
        aria-posinset={at + 1}
        aria-setsize={squares.length}
        className="square-current"
        style={{
          left: `${(at % columns) * pitch - 2}px`,
          top: `${Math.floor(at / columns) * pitch - 2}px`,
          width: `${pitch + 1}px`,
          height: `${pitch + 1}px`,
        }}
      />
    </div>
  );
}

function stepped(key: string, at: number, columns: number, count: number): number | undefined {
  const steps: Partial<Record<string, number>> = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    Home: -at,
    End: count - 1 - at,
  };
  const step = steps[key];
  if (step === undefined) return undefined;
  return at + step < 0 || at + step >= count ? at : at + step;
}

/** The kinds that there are, with how many. */
export function SquareLegend({ squares }: { squares: readonly Square[] }) {
  const counts = useMemo(() => countKinds(squares), [squares]);
  return (
    <ul className="square-legend dim">
      {counts.map(([kind, count]) => (
        <li key={kind}>
          <svg width="12" height="12" aria-hidden="true">
            <path className={`square-${kind}`} d={shapeOf(kind, 0.5, 0, 0, 11)} />
          </svg>
          {formatCount(count)} {SQUARE_WORDS[kind]}
        </li>
      ))}
    </ul>
  );
}

function pathsOf(squares: readonly Square[], pitch: number, columns: number) {
  const parts = new Map<SquareKind, string[]>();
  squares.forEach(({ kind, percent }, index) => {
    const left = (index % columns) * pitch;
    const top = Math.floor(index / columns) * pitch;
    const shape = shapeOf(kind, percent / 100, left, top, pitch - 3);
    const known = parts.get(kind);
    if (known === undefined) parts.set(kind, [shape]);
    else known.push(shape);
  });
  return [...parts].map(([kind, shapes]) => [kind, shapes.join('')] as const);
}

/** Each kind has a shape of its own, so that colour is never the only sign. */
function shapeOf(kind: SquareKind, share: number, x: number, y: number, size: number): string {
  const box = (left: number, top: number, width: number, height: number) =>
    `M${left} ${top}h${width}v${height}h${-width}z`;
  // The other way round: what it encloses stays open.
  const hole = (left: number, top: number, width: number, height: number) =>
    `M${left} ${top}v${height}h${width}v${-height}z`;
  const inner = size - 2;
  const frame = box(x, y, size, size) + hole(x + 1, y + 1, inner, inner);
  switch (kind) {
    case 'done':
      return box(x, y, size, size);
    case 'downloading': {
      const filled = Math.round(inner * Math.max(0, Math.min(1, share)));
      return frame + (filled > 0 ? box(x + 1, y + 1 + inner - filled, inner, filled) : '');
    }
    case 'extracting':
      return box(x, y, size, size) + hole(x + size / 2 - 1, y + size / 2 - 1, 2, 2);
    case 'failed':
      return cross(x, y, size);
    case 'stalled': {
      const bar = Math.max(2, Math.floor(size / 3));
      return box(x, y, bar, size) + box(x + size - bar, y, bar, size);
    }
    case 'silent':
      return frame + box(x + size / 2 - 1, y + 2, 2, size - 4);
    case 'queued':
    case 'agentless':
      return frame;
    case 'idle':
      return box(x + size / 2 - 1.5, y + size / 2 - 1.5, 3, 3);
  }
}

/** Two bars from corner to corner. */
function cross(x: number, y: number, size: number): string {
  const bar = Math.round(size * 2.8) / 10;
  const middle = size / 2;
  const points = [
    [bar, 0],
    [middle, middle - bar],
    [size - bar, 0],
    [size, bar],
    [middle + bar, middle],
    [size, size - bar],
    [size - bar, size],
    [middle, middle + bar],
    [bar, size],
    [0, size - bar],
    [middle - bar, middle],
    [0, bar],
  ] as const;
  return `M${points.map(([right, down]) => `${x + right} ${y + down}`).join('L')}z`;
}
