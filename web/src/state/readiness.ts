// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { isUnderWay, statusOf } from './status';

/** When the pulls of one group or image are all ready, as far as anybody knows. */
export interface Readiness {
  /** Seconds until so many of the pulls are ready; undefined when nobody knows, or all are. */
  readonly seconds: number | undefined;
  /** So many of all, in whole percent; those that are ready now count. */
  readonly percent: number;
  /** Pulls under way of which nobody knows when they are ready. */
  readonly unknown: number;
}

/** Of so many it is said when they are ready, if it cannot be said of all. */
const MOST = 0.9;

/** Seconds until the image can be used, undefined when nobody knows. */
export function readySeconds(pull: Pull): number | undefined {
  return pull.readyEtaSeconds ?? pull.etaSeconds;
}

/** Adds up pull by pull. A failed pull is never ready, and of a stalled one it is unknown when. */
export class ReadinessCount {
  private readonly known: number[] = [];
  private done = 0;
  private unknown = 0;
  private all = 0;

  add(pull: Pull): void {
    const status = statusOf(pull);
    const seconds = status === 'stalled' ? undefined : readySeconds(pull);
    this.all++;
    if (status === 'completed') this.done++;
    else if (isUnderWay(status)) {
      if (seconds === undefined) this.unknown++;
      else this.known.push(seconds);
    }
  }

  result(): Readiness {
    const { known, done, unknown, all } = this;
    known.sort((a, b) => a - b);
    const most = Math.ceil(all * MOST) - done;
    const some = done + known.length < all && most > 0 && most <= known.length;
    const counted = some ? most : known.length;
    return {
      seconds: known[counted - 1],
      percent: some ? MOST * 100 : Math.floor((100 * (done + counted)) / Math.max(1, all)),
      unknown,
    };
  }
}
