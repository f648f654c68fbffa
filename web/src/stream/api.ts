// SPDX-License-Identifier: Apache-2.0

const TIMEOUT_MS = 5000;

/** The server answered, but not with 2xx. */
export class HttpError extends Error {
  constructor(
    address: string,
    readonly status: number,
  ) {
    super(`${address}: HTTP ${status}`);
  }
}

/** The body of a GET; throws unless the answer is 2xx and comes in time. */
export async function getText(address: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(address, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!answer.ok) throw new HttpError(address, answer.status);
  return answer.text();
}
