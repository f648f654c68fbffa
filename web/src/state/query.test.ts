// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { makePull } from '../testing/samples';
import {
  addTyped,
  compileQuery,
  formatQuery,
  isEmpty,
  olderFilter,
  parseQuery,
  withoutToken,
  queryHint,
} from './query';

describe('parseQuery', () => {
  it('keeps tokens apart from free text', () => {
    expect(parseQuery(' node:worker-1  web status:failed x ')).toEqual({
      tokens: [
        { key: 'node', value: 'worker-1' },
        { key: 'status', value: 'failed' },
      ],
      text: 'web x',
    });
  });

  it('keeps unknown keys, empty values and tags as text', () => {
    expect(parseQuery('zone:eu node: nginx:1.29')).toEqual({
      tokens: [],
      text: 'zone:eu node: nginx:1.29',
    });
  });

  it('takes a key in any case and a value with colons', () => {
    expect(parseQuery('IMAGE:nginx:1.29').tokens).toEqual([{ key: 'image', value: 'nginx:1.29' }]);
  });

  it('survives a round trip', () => {
    const text = 'ns:shop pod:web-0 some words';
    expect(formatQuery(parseQuery(text))).toBe(text);
  });
});

it('addTyped adds each token once', () => {
  const query = addTyped(parseQuery('node:a'), 'node:a ns:b free');
  expect(formatQuery(query)).toBe('node:a ns:b free');
});

it('withoutToken removes one', () => {
  expect(formatQuery(withoutToken(parseQuery('node:a ns:b x'), 0))).toBe('ns:b x');
});

describe('compileQuery', () => {
  const pull = makePull({
    nodeName: 'Worker-017',
    imageRef: 'ghcr.io/acme/frontend:1.2',
    pods: [{ namespace: 'shop', podName: 'front-66cd', container: 'main' }],
    error: 'manifest unknown',
    rootDigest: 'sha256:9f1c27bd',
    platform: 'linux/arm64/v8',
  });

  it.each([
    ['', true],
    ['FRONTEND', true],
    ['acme shop', true],
    ['acme nowhere', false],
    ['manifest', true],
    ['node:worker-01', true],
    ['node:worker-02', false],
    ['node:worker-02 node:worker-017', true],
    ['ns:shop pod:front', true],
    ['ns:infra', false],
    ['image:acme/front', true],
    ['registry:ghcr', true],
    ['registry:acme', false],
    ['image:sha256:9f1c', true],
    ['image:=sha256:9f1c27bd', true],
    ['image:=sha256:9f1c', false],
    ['image:=ghcr.io/acme/frontend:1.2', true],
    ['image:=ghcr.io/acme/frontend:1', false],
    ['node:=worker-017', true],
    ['node:=worker-01', false],
    ['ns:=shop pod:=front-66cd', true],
    ['ns:=sho', false],
    ['platform:arm64', true],
    ['platform:LINUX/ARM64/v8', true],
    ['platform:amd64', false],
    ['platform:=linux/arm64', false],
    ['status:failed', true],
    ['status:fail', true],
    ['status:act', false],
    ['namespace:shop', true],
    ['ns:infra,shop', true],
    ['ns:infra,prod', false],
    ['status:active', false],
    ['status:failed ns:infra', false],
  ])('“%s” matches: %s', (text, expected) => {
    const matches = compileQuery(parseQuery(text));
    expect(matches === null ? true : matches(pull)).toBe(expected);
  });

  it('knows the statuses', () => {
    const active = compileQuery(parseQuery('status:active'));
    expect(active?.(makePull({ phase: 'extracting' }))).toBe(true);
    expect(active?.(makePull({ phase: 'completed' }))).toBe(false);
    const stalled = compileQuery(parseQuery('status:stalled'));
    expect(stalled?.(makePull({ stalledSeconds: 34 }))).toBe(true);
    expect(stalled?.(makePull({ stalledSeconds: 3 }))).toBe(false);
  });

  it('takes Docker Hub for a reference without registry', () => {
    expect(compileQuery(parseQuery('registry:docker.io'))?.(makePull({ imageRef: 'nginx' }))).toBe(
      true,
    );
  });

  it('knows no registry of a pull without a name', () => {
    const unnamed = makePull({ imageRef: '__pulling__' });
    expect(compileQuery(parseQuery('registry:docker.io'))?.(unnamed)).toBe(false);
  });

  it.each([
    ['status:broken', /^Unknown status “broken”. Statuses are active, queued/],
    ['status:fail', undefined],
    ['foo:bar', /“foo:bar” is not a filter/],
    ['-status:failed', /“-status:failed” is not a filter/],
    ['acme web', undefined],
  ])('hints at what is wrong with “%s”', (words, hint) => {
    const given = queryHint(parseQuery(words));
    if (hint === undefined) expect(given).toBeUndefined();
    else expect(given).toMatch(hint);
  });

  it('is null when there is nothing to ask', () => {
    expect(isEmpty(parseQuery('  '))).toBe(true);
    expect(compileQuery(parseQuery('  '))).toBeNull();
  });
});

it.each([
  ['node:=n1 image:nginx', '&node=n1&image=nginx'],
  ['node:n1 ns:=shop pod:=web-0', '&namespace=shop&pod=web-0'],
  ['node:=n1 node:=n2 image:=acme/web:2', '&image=acme%2Fweb%3A2'],
  ['image:=sha256:0 free text status:failed', ''],
])('lets the server narrow down %s as far as it can', (query, filter) => {
  expect(olderFilter(parseQuery(query))).toBe(filter);
});
