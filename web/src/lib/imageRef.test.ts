// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { displayName, splitImageRef } from './imageRef';

describe('splitImageRef', () => {
  it.each([
    ['nginx', '', 'nginx', ''],
    ['nginx:1.29', '', 'nginx', ':1.29'],
    ['docker.io/library/redis:8.2', '', 'redis', ':8.2'],
    ['docker.io/bitnami/postgresql:17', 'docker.io', 'bitnami/postgresql', ':17'],
    ['acme/web', '', 'acme/web', ''],
    ['host:5000/app', 'host:5000', 'app', ''],
    ['localhost/app:1', 'localhost', 'app', ':1'],
    ['Registry/app', 'Registry', 'app', ''],
    ['a.b/c@sha256:12', 'a.b', 'c', '@sha256:12'],
    ['a.b:5000/c/d:1@sha256:12', 'a.b:5000', 'c/d', ':1'],
    ['', '', '', ''],
  ])('%s', (reference, registry, repository, version) => {
    expect(splitImageRef(reference)).toEqual({ registry, repository, version });
  });
});

describe('displayName', () => {
  it.each([
    ['ghcr.io/acme/api:1.0', 'ghcr.io/acme/api:1.0'],
    ['docker.io/library/nginx:1.29', 'nginx:1.29'],
    [
      `quay.io/prometheus/prometheus@sha256:${'5b'.repeat(32)}`,
      'quay.io/prometheus/prometheus@sha256:5b5b5b5',
    ],
  ])('%s', (reference, shown) => {
    expect(displayName(reference)).toBe(shown);
  });
});
