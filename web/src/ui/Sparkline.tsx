// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface SparklineProps {
  /** Epoch milliseconds and values, of equal length. */
  times: readonly number[];
  values: readonly number[];
  spanMs: number;
  /** Called with the sample under the pointer, or null when it leaves. */
  onHover: (index: number | null) => void;
}

/** A bare line that fills its parent, newest at the right. */
export default function Sparkline({ times, values, spanMs, onHover }: SparklineProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const span = useRef(spanMs);

  useEffect(() => {
    const parent = box.current;
    if (parent === null) return;
    const colour = () => getComputedStyle(parent).color;
    const made = new uPlot(
      {
        width: parent.clientWidth,
        height: parent.clientHeight,
        padding: [4, 0, 4, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
        axes: [{ show: false }, { show: false }],
        scales: {
          x: { time: false, range: (_, __, max) => [max - span.current, max] },
          y: { range: (_, __, max) => [0, Math.max(1, max)] },
        },
        series: [{}, { stroke: colour, width: 1.5, points: { show: false } }],
        hooks: { setCursor: [(self) => onHover(self.cursor.idx ?? null)] },
      },
      [[], []],
      parent,
    );
    plot.current = made;
    const resize = new ResizeObserver(() =>
      made.setSize({ width: parent.clientWidth, height: parent.clientHeight }),
    );
    resize.observe(parent);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [onHover]);

  useEffect(() => {
    plot.current?.setData([[...times], [...values]]);
  }, [times, values]);

  return <div ref={box} className="sparkline" aria-hidden="true" />;
}
