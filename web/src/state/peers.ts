// SPDX-License-Identifier: Apache-2.0
import type { Pull } from '../model/pull';
import { registryOf } from './query';
import { isUnderWay, statusOf } from './status';

/** Pulls that fetch, or would: how many, and what comes to them. */
export interface Flow {
  readonly pulls: number;
  readonly bytesPerSec: number;
}

/** What goes on beside one pull. */
export interface Peers {
  /** What a queued pull waits for: what the server says, else the one that runs longest there. */
  readonly behind: Pull | undefined;
  /** The other pulls of its node, and those of its registry on whatever node. */
  readonly node: Flow;
  readonly registry: Flow;
}

const NO_FLOW: Flow = { pulls: 0, bytesPerSec: 0 };

/** Finds the peers of each of these pulls; it adds them up once, when first asked. */
export function peersIn(pulls: ReadonlyMap<string, Pull>): (pull: Pull) => Peers {
  let index: Index | undefined;
  return (pull) => {
    index ??= indexOf(pulls.values());
    const first = pull.holdUp?.pullId;
    const behind = first === undefined ? index.longest.get(pull.nodeName) : pulls.get(first);
    const known = pulls.get(pull.id);
    const own = known !== undefined && fetches(known) ? known : undefined;
    return {
      behind: behind?.id === pull.id ? undefined : behind,
      node: without(index.nodes.get(pull.nodeName), own),
      registry: without(index.registries.get(registryOf(pull) ?? ''), own),
    };
  };
}

interface Index {
  readonly longest: ReadonlyMap<string, Pull>;
  readonly nodes: ReadonlyMap<string, Flow>;
  readonly registries: ReadonlyMap<string, Flow>;
}

function indexOf(pulls: Iterable<Pull>): Index {
  const longest = new Map<string, Pull>();
  const nodes = new Map<string, Flow>();
  const registries = new Map<string, Flow>();
  for (const pull of pulls) {
    const status = statusOf(pull);
    if (!isUnderWay(status) || status === 'queued') continue;
    const known = longest.get(pull.nodeName);
    if (known === undefined || pull.startedAt < known.startedAt) longest.set(pull.nodeName, pull);
    if (!fetches(pull)) continue;
    add(nodes, pull.nodeName, pull);
    add(registries, registryOf(pull) ?? '', pull);
  }
  return { longest, nodes, registries };
}

/** Whether bytes should come to it. */
function fetches(pull: Pull): boolean {
  const status = statusOf(pull);
  return status === 'downloading' || status === 'stalled';
}

function add(flows: Map<string, Flow>, key: string, { bytesPerSec }: Pull) {
  const known = flows.get(key) ?? NO_FLOW;
  flows.set(key, { pulls: known.pulls + 1, bytesPerSec: known.bytesPerSec + bytesPerSec });
}

function without(flow: Flow | undefined, own: Pull | undefined): Flow {
  if (flow === undefined || own === undefined) return flow ?? NO_FLOW;
  return {
    pulls: flow.pulls - 1,
    bytesPerSec: Math.max(0, flow.bytesPerSec - own.bytesPerSec),
  };
}
