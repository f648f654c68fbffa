// SPDX-License-Identifier: Apache-2.0

/** After an input the next one is expected for so long. */
const QUIET_MS = 150;
/** What is shown may grow so much older while someone scrolls or types. */
const MOST_MS = 800;

/** What somebody does with the page; it scrolls by itself too. */
const ACTS = ['wheel', 'touchmove', 'pointerdown', 'keydown'];

let inputAt = -Infinity;
let actedAt = -Infinity;
for (const type of [...ACTS, 'scroll']) {
  const note = () => {
    inputAt = performance.now();
    if (type !== 'scroll') actedAt = inputAt;
  };
  globalThis.addEventListener(type, note, { capture: true, passive: true });
}

/** Whether somebody has scrolled, clicked or pressed a key since then, a `performance.now()`. */
export function hasActedSince(then: number): boolean {
  return actedAt > then;
}

/**
 * Calls once nobody has scrolled or typed for a moment, and after a while in any case: news that
 * wait for that do not hold up the frames that show an input.
 */
export function whenCalm(then: () => void): void {
  const latest = performance.now() + MOST_MS;
  const look = () => {
    const wait = Math.min(inputAt + QUIET_MS, latest) - performance.now();
    if (wait <= 0) then();
    else setTimeout(look, wait);
  };
  look();
}
