// SPDX-License-Identifier: Apache-2.0

/** After an input the next one is expected for so long. */
const QUIET_MS = 150;
/** What is shown may grow so much older while someone scrolls or types. */
const MOST_MS = 800;

const INPUTS = ['wheel', 'scroll', 'touchmove', 'pointerdown', 'keydown'];

let inputAt = -Infinity;
for (const type of INPUTS) {
  const note = () => (inputAt = performance.now());
  globalThis.addEventListener(type, note, { capture: true, passive: true });
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
