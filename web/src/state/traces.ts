// SPDX-License-Identifier: Apache-2.0
import type { History, NodeStatus, RegistryStatus } from '../model/cluster';
import type { Pull } from '../model/pull';
import { BLAME_MS } from './blame';
import { downloadOf } from './download';
import { endedBadly, isActive, statusOf } from './status';
import { lateManifestSeconds } from './times';

export const STEPS = 60;
const STEP_MS = BLAME_MS / STEPS;

/** How one node or registry has done in the last half hour, and does now. */
export interface Trace {
  readonly name: string;
  readonly activePulls: number;
  readonly stalledPulls: number;
  readonly bytesPerSec: number;
  /** Of its downloads now; undefined where it is not known. */
  readonly medianBytesPerSec: number | undefined;
  readonly history: History;
}

/** As the server has it. */
export function tracesOfRegistries(registries: readonly RegistryStatus[]): Trace[] {
  return registries.map(({ registry, ...rest }) => ({ name: registry, ...rest })).sort(worstFirst);
}

/** As the server has those that had trouble; undefined of a server that keeps no past of a node. */
export function tracesOfNodes(
  nodes: readonly NodeStatus[] | null,
  troubled: readonly Pull[],
): Trace[] | undefined {
  if (nodes?.some(({ history }) => history !== undefined) !== true) return undefined;
  const dry = new Map<string, number>();
  for (const { nodeName, completedAt } of troubled) {
    if (completedAt === undefined) dry.set(nodeName, (dry.get(nodeName) ?? 0) + 1);
  }
  return nodes
    .map(({ nodeName, activePulls, bytesPerSec, history = NO_HISTORY }): Trace => {
      const stalledPulls = dry.get(nodeName) ?? 0;
      return {
        name: nodeName,
        activePulls,
        stalledPulls,
        bytesPerSec,
        medianBytesPerSec: undefined,
        history,
      };
    })
    .filter((trace) => troublesOf(trace) > 0 || trace.stalledPulls > 0)
    .sort(worstFirst);
}

const NO_HISTORY: History = { bytesPerSec: [], stalledPulls: [], failed: [] };

interface Sums {
  active: number;
  stalled: number;
  bytesPerSec: number;
  /** Begin and end of each download, as changes of the speed at a step's begin. */
  readonly change: Float64Array;
  readonly stalls: Float64Array;
  readonly failed: Float64Array;
}

/** As far as the pulls show: of a stall that is over, and of a failure before the last one, nothing is known. */
export function tracesOfPulls(
  pulls: Iterable<Pull>,
  nameOf: (pull: Pull) => string | undefined,
  now: number,
): Trace[] {
  const byName = new Map<string, Sums>();
  for (const pull of pulls) {
    const name = nameOf(pull);
    if (name === undefined || now - (pull.completedAt ?? now) > BLAME_MS) continue;
    let sums = byName.get(name);
    if (sums === undefined) byName.set(name, (sums = noSums()));
    add(sums, pull, now);
  }
  return [...byName].map(([name, sums]) => traceOf(name, sums)).sort(worstFirst);
}

function noSums(): Sums {
  return {
    active: 0,
    stalled: 0,
    bytesPerSec: 0,
    change: new Float64Array(STEPS + 1),
    stalls: new Float64Array(STEPS),
    failed: new Float64Array(STEPS),
  };
}

function stepOf(at: number, now: number): number {
  return Math.max(0, Math.min(STEPS - 1, STEPS - 1 - Math.floor((now - at) / STEP_MS)));
}

function add(sums: Sums, pull: Pull, now: number) {
  const status = statusOf(pull);
  const { completedAt = now } = pull;
  if (isActive(status)) {
    sums.active++;
    sums.bytesPerSec += pull.bytesPerSec;
  }
  if (endedBadly(status)) bump(sums.failed, stepOf(completedAt, now));
  const since = stalledSince(pull, now);
  if (since !== undefined) {
    sums.stalled++;
    for (let step = stepOf(since, now); step < STEPS; step++) bump(sums.stalls, step);
  }
  const download = downloadOf(pull, now);
  if (download === undefined) return;
  const { bytes, began, ended } = download;
  const first = stepOf(began, now);
  const last = stepOf(ended, now);
  // What came before the half hour is left out; a short one fills its step on average.
  const seconds = Math.max((ended - began) / 1000, ((last - first + 1) * STEP_MS) / 1000);
  bump(sums.change, first, bytes / seconds);
  bump(sums.change, last + 1, -bytes / seconds);
}

function bump(list: Float64Array, at: number, by = 1) {
  list[at] = (list[at] ?? 0) + by;
}

/** Since when it gets nothing, if it does. */
function stalledSince(pull: Pull, now: number): number | undefined {
  if (statusOf(pull) === 'stalled') {
    return pull.holdUp?.kind === 'no_bytes'
      ? pull.holdUp.since
      : now - (pull.stalledSeconds ?? 0) * 1000;
  }
  const late = lateManifestSeconds(pull, now);
  return late === undefined ? undefined : now - late * 1000;
}

function traceOf(name: string, sums: Sums): Trace {
  let speed = 0;
  const bytesPerSec = Array.from({ length: STEPS }, (_, step) => {
    speed += sums.change[step] ?? 0;
    return Math.max(0, speed);
  });
  return {
    name,
    activePulls: sums.active,
    stalledPulls: sums.stalled,
    bytesPerSec: sums.bytesPerSec,
    medianBytesPerSec: undefined,
    history: { bytesPerSec, stalledPulls: [...sums.stalls], failed: [...sums.failed] },
  };
}

export function sum(list: readonly number[]): number {
  return list.reduce((all, value) => all + value, 0);
}

/** A failure, or half a minute with a stall, is one trouble. */
function troublesOf({ history }: Trace): number {
  return sum(history.failed) + history.stalledPulls.filter((count) => count > 0).length;
}

function worstFirst(a: Trace, b: Trace): number {
  return (
    troublesOf(b) - troublesOf(a) ||
    sum(b.history.bytesPerSec) - sum(a.history.bytesPerSec) ||
    (a.name < b.name ? -1 : 1)
  );
}
