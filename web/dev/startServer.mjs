// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Starts server.mjs on a free port; `settings` are its options by name. */
export async function startServer(settings) {
  const path = fileURLToPath(new URL('server.mjs', import.meta.url));
  const options = Object.entries({ port: 0, ...settings }).flatMap(([name, value]) => [
    `--${name}`,
    `${value}`,
  ]);
  const child = spawn(process.execPath, [path, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  return { url: String(line).trim(), stop: () => child.kill('SIGTERM') };
}
