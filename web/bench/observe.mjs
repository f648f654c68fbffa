// SPDX-License-Identifier: Apache-2.0

/** Runs in the page: notes long tasks, and the time from each input to the end of its frame. */
export function observe() {
  const seen = { long: [], paints: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.long.push(Math.round(entry.duration));
  }).observe({ type: 'longtask' });
  const note = (event) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => seen.paints.push(performance.now() - event.timeStamp);
      channel.port2.postMessage(0);
    });
  };
  addEventListener('keydown', note, true);
  addEventListener('wheel', note, { capture: true, passive: true });
  window.pulltraceBench = seen;
}

/** Runs in the page: what was noted since the last call. */
export function takeNoted() {
  const { long, paints } = window.pulltraceBench;
  return { long: long.splice(0), paints: paints.splice(0) };
}
