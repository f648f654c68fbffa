// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { T0, makeLayer, makePull } from '../../testing/samples';
import { layOut, slowestPart } from './waterfallModel';

const MB = 1024 * 1024;
const NOW = T0 + 100_000;
const at = (second: number) => T0 + second * 1000;

const row = (layer: Parameters<typeof makeLayer>[0], pull = makePull()) =>
  layOut(pull, [makeLayer(layer)], NOW).rows[0];

describe('layOut', () => {
  it('shows waiting, download, waiting and extraction in their times', () => {
    const shown = row({
      phase: 'done',
      startedAt: at(10),
      completedAt: at(40),
      extractStartedAt: at(50),
      extractCompletedAt: at(75),
    });
    expect(shown?.segments).toEqual([
      { kind: 'wait', from: 0, to: 0.1 },
      { kind: 'download', from: 0.1, to: 0.4 },
      { kind: 'wait', from: 0.4, to: 0.5 },
      { kind: 'extract', from: 0.5, to: 0.75 },
    ]);
    expect(shown).toMatchObject({ words: 'extracted', tone: 'done' });
  });

  it('lets what goes on reach to now', () => {
    expect(row({ startedAt: at(60), bytesPerSec: 2 * MB })).toMatchObject({
      segments: [
        { kind: 'wait', from: 0, to: 0.6 },
        { kind: 'download', from: 0.6, to: 1 },
      ],
      words: '2.0 MB/s',
    });
    expect(
      row({ phase: 'extracting', startedAt: T0, completedAt: at(50), extractStartedAt: at(50) }),
    ).toMatchObject({
      segments: [
        { kind: 'download', from: 0, to: 0.5 },
        { kind: 'extract', from: 0.5, to: 1 },
      ],
      words: 'extracting',
    });
  });

  it.each([
    [{ phase: 'downloading' }, '5 of 10 MB'],
    [{ phase: 'downloading', downloadedBytes: 10 * MB }, '10.0 MB'],
    [{ phase: 'downloading', totalBytes: 0 }, '5.0 MB'],
    [{ phase: 'queued', downloadedBytes: 0 }, '10.0 MB'],
    [{ phase: 'queued', downloadedBytes: 0, totalBytes: 0 }, ''],
    [{ phase: 'done', downloadedBytes: 10 * MB }, '10.0 MB'],
    [{ cached: true }, '10.0 MB'],
  ] as const)('%o has the size %s', (layer, size) => {
    expect(row(layer)?.size).toBe(size);
  });

  it('marks layers that were there and those that wait', () => {
    expect(row({ cached: true })).toMatchObject({
      segments: [{ kind: 'cached', from: 0, to: 1 }],
      words: 'already present',
    });
    expect(row({ phase: 'queued' })).toMatchObject({
      segments: [{ kind: 'wait', from: 0, to: 1 }],
      words: 'queued',
    });
  });

  it('says of a mounted layer that it comes on demand, and not that it is here', () => {
    const mounted = makeLayer({ cached: true, source: 'remote', phase: 'exists' });
    const { rows, counts } = layOut(makePull(), [mounted, makeLayer({ cached: true })], NOW);
    expect(rows[0]).toMatchObject({
      segments: [{ kind: 'remote', from: 0, to: 1 }],
      words: 'on demand',
    });
    expect(counts).toBe('1 already present · 1 on demand');
  });

  it('claims no speed of a layer that its snapshotter fetches unseen', () => {
    const unseen = row({ source: 'snapshotter', downloadedBytes: 0, bytesPerSec: 0 });
    expect(unseen).toMatchObject({ words: 'by the snapshotter', size: '10.0 MB' });
  });

  it('ends the axis where the pull ended, and says where a layer stopped', () => {
    const pull = makePull({ completedAt: at(8), phase: 'failed' });
    const { ticks } = layOut(pull, [], NOW);
    expect(ticks.at(-1)).toEqual({ at: 1, label: '8s' });
    expect(row({ percent: 40.7 }, pull)?.words).toBe('stopped at 40%');
    expect(row({ phase: 'queued' }, pull)?.words).toBe('not fetched');
    const layers = [makeLayer({ phase: 'extracting' }), makeLayer({ phase: 'queued' })];
    expect(layOut(pull, layers, NOW).counts).toBe('1 not extracted · 1 not fetched');
  });

  it('ends the axis of a silent node at its last report, and claims no speed since', () => {
    const { rows, ticks } = layOut(makePull(), [makeLayer({ percent: 40.7 })], NOW, at(8));
    expect(rows[0]?.words).toBe('40% then');
    expect(ticks.at(-1)).toEqual({ at: 1, label: 'last report' });
  });

  it('keeps times outside the pull on the axis', () => {
    const shown = row({ startedAt: at(-30), completedAt: at(400), phase: 'downloaded' });
    expect(shown?.segments).toEqual([{ kind: 'download', from: 0, to: 1 }]);
  });

  it('takes a server that sends no phase', () => {
    expect(row({ phase: undefined })?.words).toBe('1.0 MB/s');
    expect(row({ phase: undefined, completedAt: at(5) })?.words).toBe('downloaded');
    expect(row({ phase: undefined, downloadedBytes: 0 })?.words).toBe('queued');
  });

  it('counts layers by what they are', () => {
    const layers = [
      makeLayer({ phase: 'done' }),
      makeLayer({ phase: 'done' }),
      makeLayer({ phase: 'queued' }),
      makeLayer({ cached: true }),
    ];
    expect(layOut(makePull(), layers, NOW).counts).toBe(
      '2 extracted · 1 queued · 1 already present',
    );
  });

  it.each([
    [0.4, ['0s', '0.1s', '0.2s', '0.3s', '0.4s', '0.5s']],
    [72, ['0s', '20s', '40s', '1m 00s', 'now']],
    [3 * 3600, ['0s', '1h 00m', '2h 00m', 'now']],
  ])('has few ticks over %d seconds', (seconds, labels) => {
    const pull = makePull(seconds < 1 ? { completedAt: at(seconds) } : {});
    const { ticks } = layOut(pull, [], at(seconds));
    expect(ticks.map((tick) => tick.label)).toEqual(labels);
  });
});

it('slowestPart names the layer with the longest way to go', () => {
  const layers = [
    makeLayer({ phase: 'done' }),
    makeLayer({ totalBytes: 100 * MB, downloadedBytes: 90 * MB, bytesPerSec: MB }),
    makeLayer({ totalBytes: 50 * MB, downloadedBytes: 10 * MB, bytesPerSec: MB }),
  ];
  expect(slowestPart(layers)).toBe('download of layer 3 (50.0 MB)');
  expect(slowestPart([makeLayer({ phase: 'extracting', totalBytes: MB })])).toBe(
    'extraction of layer 1 (1.0 MB)',
  );
  expect(slowestPart([makeLayer({ phase: 'done' })])).toBeUndefined();
});
