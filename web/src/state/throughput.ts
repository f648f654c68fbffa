// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { downloadOf } from './download';
import type { Sample } from './store';

/** Five minutes at one sample a second. */
const SAMPLES = 300;

/** The history with one more sample of the total speed, the oldest dropped. */
export function addSample(history: readonly Sample[], sample: Sample): readonly Sample[] {
  return [...history.slice(1 - SAMPLES), sample];
}

/**
 * The five minutes before `now`, as far as the known pulls show: each at its own average
 * speed. A page that was just opened shows more than an empty line.
 */
export function pastSamples(pulls: Iterable<Pull>, now: number): readonly Sample[] {
  const first = now - SAMPLES * 1000;
  const steps = new Float64Array(SAMPLES + 1);
  const slot = (time: number) => Math.max(0, Math.min(SAMPLES, Math.round((time - first) / 1000)));
  for (const pull of pulls) {
    const download = downloadOf(pull, now);
    if (download === undefined) continue;
    const { bytes, began, ended } = download;
    // Short pulls fill one sample, so that their bytes are not lost.
    const span = Math.max(1, (ended - began) / 1000);
    const from = slot(began);
    const to = Math.min(SAMPLES, Math.max(from + 1, slot(began + span * 1000)));
    if (began + span * 1000 < first || from >= to) continue;
    steps[from] = (steps[from] ?? 0) + bytes / span;
    steps[to] = (steps[to] ?? 0) - bytes / span;
  }
  const samples: Sample[] = [];
  let bytesPerSec = 0;
  for (let index = 0; index < SAMPLES; index++) {
    bytesPerSec += steps[index] ?? 0;
    samples.push({ at: first + index * 1000, bytesPerSec: Math.max(0, bytesPerSec) });
  }
  return samples;
}
