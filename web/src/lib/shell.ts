// SPDX-License-Identifier: Apache-2.0

/** A word as a shell takes it literally: names come from whoever reports, commands get copied. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What says of a pod why it does not start. */
export function describePod(pod: { namespace: string; podName: string }): string {
  return `kubectl -n ${shellWord(pod.namespace)} describe pod ${shellWord(pod.podName)}`;
}
