// SPDX-License-Identifier: Apache-2.0
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** When each file of the page is loaded; what is not named here is needed for the first sight. */
const LATER = [
  [/Sparkline/, 'chart, once the page stands'],
  [/jetbrains/, 'JetBrains Mono, with the first open row'],
  [/otherPages/, 'other pages, once the page stands'],
];

/** Bytes of the built page as they go over the wire, by when they are loaded. */
export async function builtSizes() {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url));
  const sizes = new Map([['first load', 0]]);
  for (const name of await readdir(dist, { recursive: true })) {
    if (!/\.(html|js|css|svg|woff2)$/.test(name)) continue;
    const body = await readFile(dist + name);
    const sent = name.endsWith('.woff2') ? body.length : gzipSync(body, { level: 9 }).length;
    const when = LATER.find(([pattern]) => pattern.test(name))?.[1] ?? 'first load';
    sizes.set(when, (sizes.get(when) ?? 0) + sent);
  }
  return sizes;
}
