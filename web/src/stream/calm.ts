// SPDX-License-Identifier: Apache-2.0

/** After an input the next one is expected for so long. */
const QUIET_MS = 150;
/** What is shown may grow so much older while someone scrolls or types. */
const MOST_MS = 700;

const INPUTS = ['wheel', 'scroll', 'touchmove', 'pointerdown', 'keydown'];

/**
 * Gives a function that calls `then` once nobody has scrolled or typed for a moment, and after a
 * while in any case: news that wait for that do not hold up the frames that show an input.
 */
export function createCalm(): (then: () => void) => void {
  let inputAt = -Infinity;
  for (const type of INPUTS) {
    const note = () => (inputAt = performance.now());
    window.addEventListener(type, note, { capture: true, passive: true });
  }
  return (then) => {
    const latest = performance.now() + MOST_MS;
    const look = () => {
      const now = performance.now();
      const wait = Math.min(inputAt + QUIET_MS, latest) - now;
      if (wait <= 0) then();
      else setTimeout(look, wait);
    };
    look();
  };
}
