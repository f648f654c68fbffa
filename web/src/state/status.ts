// SPDX-License-Identifier: Apache-2.0
import type { ErrorClass, Pull } from '../model/pull';

export const STATUSES = [
  'queued',
  'resolving',
  'downloading',
  'stalled',
  'extracting',
  'completed',
  'failed',
  'lost',
] as const;
export type Status = (typeof STATUSES)[number];

/** From here on a download that receives nothing is called stalled. */
export const STALL_SECONDS = 10;

/** What to tell of a pull; falls back to the fields that every v1 server sends. */
export function statusOf(pull: Pull): Status {
  if (pull.errorClass === 'stale') return 'lost';
  if (pull.phase === 'failed' || pull.error !== undefined) return 'failed';
  if (pull.phase === 'completed' || pull.completedAt !== undefined) return 'completed';
  if (pull.phase === 'queued' || pull.phase === 'resolving' || pull.phase === 'extracting') {
    return pull.phase;
  }
  return (pull.stalledSeconds ?? 0) >= STALL_SECONDS ? 'stalled' : 'downloading';
}

export function isActive(status: Status): boolean {
  return status !== 'completed' && status !== 'failed' && status !== 'lost';
}

export const STATUS_WORDS: Record<Status, string> = {
  queued: 'Queued',
  resolving: 'Resolving',
  downloading: 'Downloading',
  stalled: 'Stalled',
  extracting: 'Extracting',
  completed: 'Completed',
  failed: 'Failed',
  lost: 'Node went silent',
};

const CLASS_WORDS: Record<Exclude<ErrorClass, 'other'>, string> = {
  not_found: 'not found',
  unauthorized: 'no access',
  rate_limited: 'rate limited',
  timeout: 'timed out',
  network: 'network error',
  tls: 'TLS error',
  disk_full: 'disk full',
  invalid_reference: 'invalid reference',
  policy: 'refused by policy',
  not_unpacked: 'not unpacked',
  stale: 'node went silent',
};

/** The class in words; undefined for one that says nothing, such as `other`. */
export function errorWords(errorClass: ErrorClass = 'other'): string | undefined {
  return errorClass === 'other' ? undefined : CLASS_WORDS[errorClass];
}

const CLASS_ADVICE: Record<Exclude<ErrorClass, 'other'>, string> = {
  not_found:
    'The registry has no such repository or tag. Check the name and tag in the pod spec, and that the image was pushed. Some registries answer so when access is missing.',
  unauthorized:
    'The registry refused the credentials. Check imagePullSecrets of the pod or its service account, and that the token has not expired.',
  rate_limited:
    'The registry limits how often this address may pull. Wait, sign in with an account, or put a mirror in front of it.',
  timeout:
    'The registry did not answer in time. Check the route from this node, a proxy, and the registry’s load.',
  network:
    'This node cannot reach the registry. Check DNS, firewall, proxy and the registry’s address from the node.',
  tls: 'The registry’s certificate was not accepted. Check its validity and the CA that containerd trusts for this host.',
  disk_full:
    'The node has no room left for the image. Check the file system of /var/lib/containerd and image garbage collection.',
  invalid_reference: 'The image name is not a valid reference. Check its spelling in the pod spec.',
  policy:
    'The image is not there and the pull policy forbids pulling it. Load it on the node or change imagePullPolicy.',
  not_unpacked:
    'Everything may be fetched, but no container can start from it. Artifacts and other things that are no container image end so, and what “ctr content fetch” stores.',
  stale:
    'The agent on this node stopped reporting during the pull; its outcome is not known. Check the agent’s pod and the node.',
};

export function adviceFor(errorClass: ErrorClass = 'other'): string {
  return errorClass === 'other'
    ? 'Read the error’s words; “kubectl describe pod” and containerd’s log on the node say more.'
    : CLASS_ADVICE[errorClass];
}
