// SPDX-License-Identifier: Apache-2.0
import type { ErrorClass, Pull, StaleReason } from '../model/pull';

export const STATUSES = [
  'queued',
  'resolving',
  'downloading',
  'stalled',
  'extracting',
  'completed',
  'failed',
  'stale',
] as const;
export type Status = (typeof STATUSES)[number];

/** From here on a download that receives nothing is called stalled. */
const STALL_SECONDS = 10;

/** What to call a pull; falls back to the fields that every v1 server sends. */
export function statusOf(pull: Pull): Status {
  if (pull.errorClass === 'stale') return 'stale';
  if (pull.phase === 'failed' || pull.error !== undefined) return 'failed';
  if (pull.phase === 'completed' || pull.completedAt !== undefined) return 'completed';
  if (pull.phase === 'queued' || pull.phase === 'resolving' || pull.phase === 'extracting') {
    return pull.phase;
  }
  const dry = pull.holdUp?.kind === 'no_bytes' || (pull.stalledSeconds ?? 0) >= STALL_SECONDS;
  return dry ? 'stalled' : 'downloading';
}

/** Not over yet: active, or queued. */
export function isUnderWay(status: Status): boolean {
  return status !== 'completed' && status !== 'failed' && status !== 'stale';
}

/** Somebody works at it; what is queued only waits for its turn. */
export function isActive(status: Status): boolean {
  return isUnderWay(status) && status !== 'queued';
}

/** Whether a pod waits for it now. A v1 server that does not say so names pods that wait. */
export function isWaitedFor(pull: Pull): boolean {
  return pull.waiting ?? (statusOf(pull) !== 'completed' && pull.pods.length > 0);
}

/** Under way, or waited for though it has failed. */
export function isOfNow(pull: Pull): boolean {
  return isUnderWay(statusOf(pull)) || isWaitedFor(pull);
}

/** Over, and not well as far as anybody knows. */
export function endedBadly(status: Status): boolean {
  return status === 'failed' || status === 'stale';
}

export const STATUS_WORDS: Record<Status, string> = {
  queued: 'Queued',
  resolving: 'Resolving',
  downloading: 'Downloading',
  stalled: 'Stalled',
  extracting: 'Extracting',
  completed: 'Completed',
  failed: 'Failed',
  stale: 'Outcome unknown',
};

const CLASS_WORDS: Record<Exclude<ErrorClass, 'other' | 'stale'>, string> = {
  not_found: 'not found',
  unauthorized: 'access denied',
  rate_limited: 'rate limited',
  timeout: 'timed out',
  network: 'network error',
  tls: 'TLS error',
  disk_full: 'disk full',
  invalid_reference: 'invalid reference',
  policy: 'refused by policy',
  platform: 'no image for this platform',
  corrupt: 'corrupt content',
  not_unpacked: 'could not be unpacked',
};

const STALE_WORDS: Record<StaleReason, string> = {
  silent: 'node went silent',
  unnamed: 'no longer reported',
  stuck: 'no progress',
};

type Failure = Pick<Pull, 'errorClass' | 'staleReason' | 'error'>;

/** What happened, in words; undefined for a class that says nothing, such as `other`. */
export function errorWords({ errorClass = 'other', staleReason }: Failure): string | undefined {
  if (errorClass === 'stale') return staleReason && STALE_WORDS[staleReason];
  return errorClass === 'other' ? undefined : CLASS_WORDS[errorClass];
}

/** A registry may answer with a whole page; all of it stands where there is room. */
const MOST_LETTERS = 200;

/** The error itself on one line, as text; undefined where the server has none. */
function errorLine({ error }: Failure): string | undefined {
  const line = error?.replace(/\s+/g, ' ').trim();
  if (line === undefined || line.length <= MOST_LETTERS) return line;
  return `${line.slice(0, MOST_LETTERS).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** What happened, on one line: in words, else the error itself, else what its state is called. */
export function whatHappened(pull: Pull): string {
  return errorWords(pull) ?? errorLine(pull) ?? STATUS_WORDS[statusOf(pull)].toLowerCase();
}

const CLASS_ADVICE: Record<Exclude<ErrorClass, 'stale'>, string> = {
  not_found:
    'The registry has no such repository or tag. Check the name and tag in the pod spec, and that the image was pushed. Some registries answer so when access is missing.',
  unauthorized:
    'The registry, or a proxy before it, refused the credentials. Check imagePullSecrets of the pod or its service account, and that the token has not expired.',
  rate_limited:
    'The registry limits how often this address may pull. Wait, sign in with an account, or put a mirror in front of it.',
  timeout:
    'The registry did not answer in time, or the runtime gave up for want of progress. Check the route from this node, a proxy, and the registry’s load; for slow links raise the runtime’s limit (image_pull_progress_timeout of containerd, pull_progress_timeout of CRI-O).',
  network:
    'This node cannot reach the registry, or it, or a proxy before it, fails (an HTTP 5xx). Check DNS, firewall, proxy and the registry’s address from the node, and the registry’s state.',
  tls: 'The registry’s certificate was not accepted. Check its validity and the CA that containerd trusts for this host.',
  disk_full:
    'The node has no room left for the image. Check the file system of /var/lib/containerd and image garbage collection.',
  invalid_reference: 'The image name is not a valid reference. Check its spelling in the pod spec.',
  policy:
    'A rule refused the image: imagePullPolicy Never and no image on the node, a signature that is missing or does not hold, or the registry’s own scan for vulnerabilities. The error says which.',
  platform:
    'The image is not made for this machine’s architecture or operating system. Push it for this platform too, or let the pod run on other nodes (kubernetes.io/arch, kubernetes.io/os).',
  corrupt:
    'What came is not what its digest or size says. Try again; when it stays so, the registry, a mirror or a proxy before it holds a damaged copy. Push the image again there or clear the cache.',
  not_unpacked:
    'Everything may be fetched, but no container can start from it. Either its layers could not be extracted, and the error and the runtime’s log on the node say why, or it is no container image: artifacts end so, and what “ctr content fetch” stores.',
  other:
    'Read the error; containerd’s log on the node says more, and so does “kubectl describe pod” where a pod waits.',
};

const STALE_ADVICE: Record<StaleReason, string> = {
  silent:
    'The agent on this node stopped reporting during the pull; its outcome is unknown. Check the agent’s pod and the node.',
  unnamed:
    'The agent on this node reports, but no longer lists this pull: the client that pulled is gone, or containerd was restarted. Look for a newer pull of the image.',
  stuck:
    'The agent on this node reports, but this pull has made no progress for a long time. Check the route from this node to the registry, and containerd’s log.',
};

/** The kubelet's own limit, which looks like a registry's. */
const OWN_LIMIT = /pull qps exceeded/i;

/** A failure that is over without anybody's doing. */
export function endsByItself({ errorClass, error = '' }: Failure): boolean {
  return errorClass === 'rate_limited' && OWN_LIMIT.test(error);
}

export function adviceFor({ errorClass = 'other', staleReason, error = '' }: Failure): string {
  if (endsByItself({ errorClass, error }))
    return 'The kubelet itself limits how often it asks, no registry does. It tries again by itself; registryPullQPS and registryBurst of the kubelet’s configuration say how often.';
  if (errorClass !== 'stale') return CLASS_ADVICE[errorClass];
  return staleReason === undefined ? UNHEARD_ADVICE : STALE_ADVICE[staleReason];
}

const UNHEARD_ADVICE =
  'No report of this pull came for a long time, or it made no progress; its outcome is unknown. The error says which.';
