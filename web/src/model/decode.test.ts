// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { T0, makePull, wireEvent, wirePull } from '../testing/samples';
import { allPulls } from './cluster';
import { decodeDetail, decodeEvent, decodeHello, decodeNodes, decodeSummary } from './decode';
import { DecodeError } from './fields';

describe('decodeEvent', () => {
  it('reads a pull', () => {
    expect(decodeEvent(wireEvent())).toEqual(makePull());
  });

  it('reads times with nanoseconds', () => {
    const pull = decodeEvent(wireEvent({ completedAt: '2026-11-21T10:00:01.123456789Z' }));
    expect(pull?.completedAt).toBe(T0 + 1123);
  });

  it('reads one that has only the fields every v1 server sends', () => {
    const data = wireEvent({ phase: undefined });
    expect(decodeEvent(data)).toMatchObject({ id: 'pull-1', percent: 50, pods: [] });
  });

  it('marks what would make a text read as another', () => {
    const read = decodeEvent(
      wireEvent({ imageRef: 'acme/\u202eevil\u202c:1', error: '\u001b[31mred\u001b[0m\nnext' }),
    );
    expect(read?.imageRef).toBe('acme/\ufffdevil\ufffd:1');
    expect(read?.error).toBe('red\nnext');
  });

  it('reads pods', () => {
    const pod = { namespace: 'shop', podName: 'web-0', container: 'main' };
    expect(decodeEvent(wireEvent({ pods: [pod] }))?.pods).toMatchObject([pod]);
  });

  it('ignores what it does not know, and layer events', () => {
    expect(decodeEvent(wireEvent({ somethingNew: [1] }))).toEqual(makePull());
    expect(decodeEvent(wireEvent({ phase: 'thawing', errorClass: 'frozen' }))).toEqual(
      makePull({ phase: undefined }),
    );
    const layer = {
      schemaVersion: 'v1',
      timestamp: '2026-11-21T10:00:00Z',
      type: 'layer.progress',
    };
    expect(decodeEvent(JSON.stringify(layer))).toBeNull();
  });

  it.each([
    ['not JSON', '{'],
    ['event is not an object', '[]'],
    ['event is not an object', 'null'],
    ['schemaVersion is not v1', '{"schemaVersion":"v2"}'],
    ['type is missing', '{"schemaVersion":"v1"}'],
    ['id is missing', wireEvent({ id: '' })],
    ['totalBytes is not a number', wireEvent({ totalBytes: '12' })],
    ['percent is missing', wireEvent({ percent: undefined })],
    ['startedAt is not a time', wireEvent({ startedAt: 'yesterday' })],
    ['startedAt is missing', wireEvent({ startedAt: undefined })],
    ['error is not a string', wireEvent({ error: 5 })],
    ['totalKnown is not a boolean', wireEvent({ totalKnown: 'yes' })],
    ['pods is not a list', wireEvent({ pods: {} })],
    ['pod is not an object', wireEvent({ pods: ['web'] })],
    ['namespace is missing', wireEvent({ pods: [{ podName: 'web' }] })],
  ])('refuses: %s', (reason, data) => {
    expect(() => decodeEvent(data)).toThrow(new DecodeError(reason));
  });
});

it('decodeHello reads which run speaks', () => {
  expect(decodeHello('{"run":"ab","version":7,"more":1}')).toEqual({ run: 'ab', version: 7 });
  expect(() => decodeHello('{"version":7}')).toThrow('run is missing');
});

it('decodeDetail reads the layers', () => {
  const layer = { digest: 'sha256:1', totalBytes: 3, downloadedBytes: 1, phase: 'downloading' };
  const nodes = '{"nodes":[]}';
  const detail = decodeDetail(JSON.stringify(wirePull({ layers: [layer] })), nodes);
  expect(detail.pull.id).toBe('pull-1');
  expect(detail.node).toBeUndefined();
  expect(detail.layers).toMatchObject([{ ...layer, cached: false, bytesPerSec: 0 }]);
  expect(() => decodeDetail(JSON.stringify(wirePull({ layers: [{}] })), nodes)).toThrow(
    'digest is missing',
  );
});

it('decodeSummary reads counts and clock', () => {
  const body = {
    bytesPerSec: 5,
    nodesReporting: 3,
    nodesSilent: 1,
    historySeconds: 90,
    now: '2026-11-21T10:00:00Z',
    activePulls: 4,
    completedPulls: 30,
    checks: 4,
  };
  const summary = decodeSummary(JSON.stringify(body));
  expect(summary).toMatchObject({ historySeconds: 90, now: T0, activePulls: 4 });
  expect(allPulls(summary)).toBe(38);
  expect(() => decodeSummary('{}')).toThrow('bytesPerSec is missing');
});

it('decodeNodes reads each node', () => {
  const node = {
    nodeName: 'worker-1',
    lastReportAt: '2026-11-21T10:00:00Z',
    silent: true,
    activePulls: 2,
    bytesPerSec: 5,
  };
  expect(decodeNodes(JSON.stringify({ nodes: [node] }))).toMatchObject([
    { ...node, lastReportAt: T0, agentVersion: '' },
  ]);
  const agentless = { nodeName: 'worker-2', silent: true, activePulls: 1, bytesPerSec: 0 };
  const [, second] = decodeNodes(JSON.stringify({ nodes: [node, agentless] }));
  expect(second?.lastReportAt).toBeUndefined();
  expect(() => decodeNodes('{"nodes":[{}]}')).toThrow('nodeName is missing');
});
