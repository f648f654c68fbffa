// SPDX-License-Identifier: Apache-2.0

/**
 * Runs in the page: notes long tasks, and the time from each input until what it changed was
 * presented, as the browser reports it: of a key by Event Timing, which rounds to 8 ms; of the wheel
 * by Element Timing of the first row that is new in the page, and by the frame after it.
 */
export function observe() {
  const seen = { long: [], keys: [], scrolls: [], frames: [], pressed: 0 };
  const on = (options, note) => {
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe(options);
  };
  on({ type: 'longtask' }, ({ duration }) => seen.long.push(Math.round(duration)));
  on({ type: 'event', durationThreshold: 16 }, ({ name, duration }) => {
    if (name === 'keydown') seen.keys.push(duration);
  });

  addEventListener('keydown', () => seen.pressed++, true);

  /** When the wheel turned whose rows are awaited; one turn comes after the rows of the last. */
  let turned;
  const turns = new Map();
  const onWheel = ({ timeStamp }) => {
    turned = timeStamp;
    // Drawn in this frame, over when the next one begins.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => seen.frames.push(performance.now() - timeStamp)),
    );
  };
  addEventListener('wheel', onWheel, { capture: true, passive: true });
  new MutationObserver((changes) => {
    if (turned === undefined) return;
    const rows = changes.flatMap(({ addedNodes }) => [...addedNodes]);
    const cells = rows.flatMap((row) => [...(row.querySelectorAll?.('.cell-node') ?? [])]);
    for (const cell of cells) cell.setAttribute('elementtiming', String(turned));
    if (cells.length > 0) turned = undefined;
  }).observe(document, { subtree: true, childList: true });
  on({ type: 'element' }, ({ identifier, renderTime }) => {
    if (turns.has(identifier)) return;
    turns.set(identifier, renderTime);
    seen.scrolls.push(renderTime - Number(identifier));
  });
  window.pulltraceBench = seen;
}

/** Runs in the page: what was noted since the last call. */
export function takeNoted() {
  const seen = window.pulltraceBench;
  const { long, keys, scrolls, frames, pressed } = seen;
  Object.assign(seen, { long: [], keys: [], scrolls: [], frames: [], pressed: 0 });
  // What takes less than 16 ms is not reported one by one.
  while (keys.length < pressed) keys.push(16);
  return { long, keys, scrolls, frames };
}
