// SPDX-License-Identifier: Apache-2.0

/** Relative, so that the page also works below an ingress path. */
export const API = 'api/v1/';

const TIMEOUT_MS = 8000;

/** The server answered, but not with 2xx. */
export class HttpError extends Error {}

/** The body of a GET; throws unless the answer is 2xx and comes in time. */
export async function getText(path: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(API + path, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!answer.ok) throw new HttpError(`${path}: HTTP ${answer.status}`);
  return answer.text();
}
