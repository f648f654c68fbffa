// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../stream/wire';
import { isActive, statusOf } from './status';
import type { Sample } from './store';

/** Five minutes at one sample a second. */
const SAMPLES = 300;

/** The history with one more sample of the total speed, the oldest dropped. */
export function addSample(
  history: readonly Sample[],
  pulls: Iterable<Pull>,
  at: number,
): readonly Sample[] {
  let bytesPerSec = 0;
  for (const pull of pulls) if (isActive(statusOf(pull))) bytesPerSec += pull.bytesPerSec;
  return [...history.slice(1 - SAMPLES), { at, bytesPerSec }];
}
