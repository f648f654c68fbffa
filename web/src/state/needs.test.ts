// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { T0, makePod, makePull, pullMap } from '../testing/samples';
import type { Pull } from '../model/pull';
import { needsOf } from './needs';

const NOW = T0 + 60_000;
let serial = 0;
const pull = (change: Partial<Pull>) => makePull({ id: `p${serial++}`, ...change });
const failed = (change: Partial<Pull> = {}) =>
  pull({
    phase: 'failed',
    error: 'no',
    errorClass: 'not_found',
    completedAt: T0 + 1000,
    waiting: true,
    ...change,
  });
const needs = (pulls: readonly Pull[], change: object = {}) =>
  needsOf({ pulls: pullMap(...pulls), silentNodes: 0, anyPods: true, now: NOW, ...change });

describe('what needs somebody', () => {
  it.each([
    ['a download', {}, []],
    ['a queue', { phase: 'queued' }, []],
    ['a stall', { stalledSeconds: 10 }, ['stalled']],
    ['a manifest', { phase: 'resolving', startedAt: NOW - 9000 }, []],
    ['a late manifest', { phase: 'resolving', startedAt: NOW - 10_000 }, ['resolving']],
    ['a failure', { phase: 'failed', error: 'no', waiting: true }, ['failed']],
    ['a failure of the past', { phase: 'failed', error: 'no', waiting: false }, []],
    [
      'one whose outcome is unknown',
      { phase: 'failed', errorClass: 'stale', waiting: true },
      ['stale'],
    ],
    [
      'one of the past whose outcome is unknown',
      { phase: 'failed', errorClass: 'stale', waiting: false },
      [],
    ],
    [
      'the kubelet’s own limit',
      { phase: 'failed', errorClass: 'rate_limited', error: 'pull QPS exceeded', waiting: true },
      [],
    ],
    ['an end', { phase: 'completed', completedAt: T0 }, []],
  ] as const)('%s', (_, change, kinds) => {
    expect(needs([pull(change)]).map(({ kind }) => kind)).toEqual(kinds);
  });

  it('each failure, where no pod is ever known', () => {
    const past = failed({ waiting: false });
    expect(needs([past])).toEqual([]);
    expect(needs([past], { anyPods: false })).toHaveLength(1);
  });

  it('nodes that are silent', () => {
    expect(needs([], { silentNodes: 2 })).toMatchObject([
      { kind: 'silent', nodes: 2, command: 'kubectl get nodes', query: undefined },
    ]);
  });
});

describe('with what the server says', () => {
  it('pulls of silent nodes are the nodes’ need, with the pods that wait there', () => {
    const holdUp = { kind: 'node_silent', since: T0 + 20_000 } as const;
    const gone = [
      pull({ holdUp, stalledSeconds: 40, pods: [makePod('a'), makePod('b')] }),
      pull({ holdUp, phase: 'resolving', pods: [makePod('b')] }),
    ];
    expect(needs(gone, { silentNodes: 1 })).toMatchObject([
      { kind: 'silent', nodes: 1, pulls: 2, pods: 2, since: T0 + 20_000 },
    ]);
  });

  it('a stall is one from its first word on', () => {
    const stalled = pull({ holdUp: { kind: 'no_bytes', since: T0 } });
    expect(needs([stalled])).toMatchObject([{ kind: 'stalled' }]);
  });
});

describe('an error', () => {
  const unknown = (error?: string, change: Partial<Pull> = {}) =>
    failed({ errorClass: 'other', error, ...change });

  it('is the cause where no class says more, and is there whole', () => {
    const long = `ended without an image\n${'x'.repeat(300)}`;
    expect(needs([unknown(long)])).toMatchObject([
      { cause: `ended without an image ${'x'.repeat(177)}…`, error: long, errors: 1 },
    ]);
    expect(needs([failed({ error: 'no tag' })])).toMatchObject([
      { cause: 'not found', error: 'no tag', errors: 0 },
    ]);
    expect(needs([unknown()])).toMatchObject([{ cause: 'failed', error: undefined }]);
  });

  it('that differs makes no need of its own, but is counted', () => {
    const all = [undefined, 'a', 'b', 'b'].map((error) => unknown(error));
    expect(needs(all)).toMatchObject([{ cause: 'a', error: 'a', errors: 2, pulls: 4 }]);
  });

  it('is the same at another layer, with other bytes', () => {
    const brokenOff = (layer: number, digest: string, size: string) =>
      unknown(`ended while fetching layer ${layer} of 7 (sha256:${digest}) at ${size} of 5.0 GB`);
    const all = [
      brokenOff(1, '0b24c1ff9d3a', '980 KB'),
      brokenOff(12, 'abcdefabcdef', '4.2 MB'),
      brokenOff(3, '012345678901', '0 B'),
    ];
    expect(needs(all)).toMatchObject([{ errors: 1, pulls: 3 }]);
  });
});

describe('collapsed', () => {
  it('failures of one image and cause are one', () => {
    const all = Array.from({ length: 17 }, (_, at) =>
      failed({
        nodeName: `n${at % 12}`,
        pods: [makePod(`a${at}`), makePod(`b${at}`)],
        startedAt: T0 + at,
      }),
    );
    expect(needs(all)).toMatchObject([
      {
        cause: 'not found',
        image: 'ghcr.io/acme/frontend:1.204.0',
        images: 1,
        pulls: 17,
        nodes: 12,
        pods: 34,
        since: T0,
        query: 'status:failed image:=ghcr.io/acme/frontend:1.204.0',
        command: 'kubectl -n shop describe pod a0',
      },
    ]);
  });

  it('other causes, images and registries are apart', () => {
    const all = [
      failed(),
      failed({ errorClass: 'unauthorized' }),
      failed({ imageRef: 'ghcr.io/acme/other:1' }),
      failed({ imageRef: 'quay.io/acme/frontend:1.204.0' }),
    ];
    expect(needs(all)).toHaveLength(4);
  });

  it('many images of one registry are one: it is the registry', () => {
    const all = ['a', 'b', 'c', 'd'].map((name) =>
      failed({ imageRef: `ghcr.io/acme/${name}:1`, errorClass: 'network' }),
    );
    expect(needs(all.slice(1))).toHaveLength(3);
    expect(needs(all)).toMatchObject([
      {
        cause: 'network error',
        images: 4,
        image: undefined,
        registry: 'ghcr.io',
        query: 'status:failed registry:=ghcr.io',
        command: 'curl -sSI https://ghcr.io/v2/',
        onNode: 'worker-1',
      },
    ]);
  });

  it('who makes most pods wait comes first', () => {
    const few = failed({ pods: [makePod('a')] });
    const many = pull({
      stalledSeconds: 30,
      pods: [makePod('b'), makePod('c')],
      imageRef: 'redis:8',
    });
    expect(needs([few, many]).map(({ kind }) => kind)).toEqual(['stalled', 'failed']);
  });
});

describe('the command', () => {
  it.each([
    [{ errorClass: 'disk_full' }, 'kubectl describe node worker-1'],
    [{ errorClass: 'platform' }, 'kubectl describe node worker-1'],
    [{ errorClass: 'tls' }, 'curl -sSI https://ghcr.io/v2/'],
    [{ errorClass: 'timeout', imageRef: 'redis:8' }, 'curl -sSI https://registry-1.docker.io/v2/'],
    [{ errorClass: 'other' }, 'kubectl get events -A --field-selector reason=Failed'],
    [
      { errorClass: 'stale' },
      'kubectl get pods -A -o wide --field-selector spec.nodeName=worker-1',
    ],
    [{ errorClass: 'network', registry: "x'$(reboot)" }, "curl -sSI 'https://x'\\''$(reboot)/v2/'"],
  ] as const)('for %o', (change, command) => {
    expect(needs([failed(change)])[0]?.command).toBe(command);
  });
});
