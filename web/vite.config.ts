// SPDX-License-Identifier: Apache-2.0
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = process.env.PULLTRACE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  // Relative addresses, so that the page also works below an ingress path.
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    // The content security policy has no data: sources.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': { target: server, changeOrigin: true } } },
  // Five seconds, the default, are too few while the other suites of `make test` run beside these.
  test: { include: ['src/**/*.test.{ts,tsx}'], testTimeout: 30_000 },
});
