// SPDX-License-Identifier: Apache-2.0
import {
  formatBytes,
  formatBytesOf,
  formatDuration,
  formatPercent,
  formatRate,
} from '../../lib/format';
import type { Layer, LayerPhase, Pull } from '../../model/pull';

export interface Segment {
  readonly kind: 'wait' | 'download' | 'extract' | 'cached' | 'remote';
  /** Shares of the axis, 0 to 1. */
  readonly from: number;
  readonly to: number;
}

export interface WaterfallRow {
  readonly digest: string;
  readonly size: string;
  readonly segments: readonly Segment[];
  readonly words: string;
  readonly tone: 'plain' | 'dim' | 'done';
}

export interface Tick {
  readonly at: number;
  readonly label: string;
}

export interface Waterfall {
  readonly rows: readonly WaterfallRow[];
  readonly ticks: readonly Tick[];
  readonly counts: string;
}

type LayerState =
  'cached' | 'remote' | 'queued' | 'downloading' | 'downloaded' | 'extracting' | 'extracted';

const STATE_WORDS: Record<LayerState, string> = {
  cached: 'already present',
  remote: 'on demand',
  queued: 'queued',
  downloading: 'downloading',
  downloaded: 'downloaded',
  extracting: 'extracting',
  extracted: 'extracted',
};

/** What a layer is called when its pull ended before it was there. */
const OVER_WORDS: Partial<Record<LayerState, string>> = {
  queued: 'not fetched',
  downloading: 'stopped',
  extracting: 'not extracted',
};

const PHASES: Record<LayerPhase, LayerState> = {
  queued: 'queued',
  downloading: 'downloading',
  committing: 'downloading',
  downloaded: 'downloaded',
  extracting: 'extracting',
  done: 'extracted',
  exists: 'cached',
};

function layerState(layer: Layer): LayerState {
  if (layer.source === 'remote') return 'remote';
  if (layer.cached) return 'cached';
  const phase = layer.phase === undefined ? undefined : PHASES[layer.phase];
  if (phase !== undefined) return phase;
  if (layer.completedAt !== undefined) return 'downloaded';
  return layer.downloadedBytes > 0 ? 'downloading' : 'queued';
}

/**
 * Lays a pull's layers out on its own time axis, from its start to its end or `now`; of a pull whose
 * node is silent, to the last report.
 */
export function layOut(
  pull: Pull,
  layers: readonly Layer[],
  now: number,
  silentSince?: number,
): Waterfall {
  const start = pull.startedAt;
  const end = Math.max(pull.completedAt ?? silentSince ?? now, start + 500);
  const at = (time: number) => Math.max(0, Math.min(1, (time - start) / (end - start)));
  const over = pull.completedAt !== undefined;
  const states = layers.map(layerState);
  const rows = layers.map((layer, index): WaterfallRow => {
    const state = states[index] ?? 'queued';
    return {
      digest: layer.digest,
      size: sizeWords(layer, state),
      segments: segmentsOf(layer, state, at, over),
      words: words(layer, state, over, silentSince !== undefined),
      tone: state === 'extracted' ? 'done' : state === 'downloading' ? 'plain' : 'dim',
    };
  });
  const order: LayerState[] = [
    'extracted',
    'extracting',
    'downloaded',
    'downloading',
    'queued',
    'cached',
    'remote',
  ];
  const counts = order
    .map((state) => [states.filter((other) => other === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${stateWords(state, over)}`)
    .join(' · ');
  const endLabel = over ? undefined : silentSince === undefined ? 'now' : 'last report';
  return { rows, ticks: ticksOf((end - start) / 1000, endLabel), counts };
}

/** Bytes that came of all, as long as some are to come. */
function sizeWords(layer: Layer, state: LayerState): string {
  const { downloadedBytes: done, totalBytes: total } = layer;
  if (total === 0) return done > 0 ? formatBytes(done) : '';
  const seen = state === 'downloading' && layer.source !== 'snapshotter';
  return seen ? formatBytesOf(Math.min(done, total), total) : formatBytes(total);
}

function segmentsOf(
  layer: Layer,
  state: LayerState,
  at: (time: number) => number,
  over: boolean,
): Segment[] {
  if (state === 'cached' || state === 'remote') return [{ kind: state, from: 0, to: 1 }];
  if (state === 'queued' || layer.startedAt === undefined)
    return [{ kind: 'wait', from: 0, to: 1 }];
  const segments: Segment[] = [];
  const push = (kind: Segment['kind'], from: number, to: number) => {
    if (to > from) segments.push({ kind, from, to });
  };
  const began = at(layer.startedAt);
  const loaded = layer.completedAt === undefined ? 1 : at(layer.completedAt);
  push('wait', 0, began);
  push('download', began, loaded);
  if (layer.extractStartedAt !== undefined) {
    const unpacking = at(layer.extractStartedAt);
    push('wait', loaded, unpacking);
    const unpacked = layer.extractCompletedAt === undefined ? 1 : at(layer.extractCompletedAt);
    push('extract', unpacking, unpacked);
  } else if (layer.completedAt !== undefined && !over) {
    push('wait', loaded, 1);
  }
  return segments;
}

function stateWords(state: LayerState, over: boolean): string {
  return (over ? OVER_WORDS[state] : undefined) ?? STATE_WORDS[state];
}

function words(layer: Layer, state: LayerState, over: boolean, silent: boolean): string {
  if (state !== 'downloading') return stateWords(state, over);
  if (layer.phase === 'committing') return 'verifying';
  if (over) return `stopped at ${formatPercent(layer.percent)}`;
  // Nobody sees its bytes before it is there.
  if (layer.source === 'snapshotter') return 'by the snapshotter';
  // Its node would have to say how fast it is.
  return silent ? `${formatPercent(layer.percent)} then` : formatRate(layer.bytesPerSec);
}

const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600,
];

function ticksOf(seconds: number, endLabel: string | undefined): Tick[] {
  const step = STEPS.find((candidate) => seconds / candidate <= 5) ?? 86400;
  const ticks: Tick[] = [];
  // The last tick would run into the end's own label.
  for (let index = 0; index * step < seconds * 0.86; index++) {
    const value = index * step;
    ticks.push({ at: value / seconds, label: index === 0 ? '0s' : formatDuration(value) });
  }
  ticks.push({ at: 1, label: endLabel ?? formatDuration(seconds) });
  return ticks;
}

/** The layer that the rest waits for, in words; undefined when nothing is under way. */
export function slowestPart(layers: readonly Layer[]): string | undefined {
  let worst: { text: string; seconds: number } | undefined;
  layers.forEach((layer, index) => {
    const state = layerState(layer);
    if (state !== 'downloading' && state !== 'extracting') return;
    const left = layer.totalBytes - layer.downloadedBytes;
    const seconds = state === 'extracting' ? 0 : left / Math.max(1, layer.bytesPerSec);
    if (worst !== undefined && worst.seconds >= seconds) return;
    const verb = state === 'extracting' ? 'extraction' : 'download';
    worst = { text: `${verb} of layer ${index + 1} (${formatBytes(layer.totalBytes)})`, seconds };
  });
  return worst?.text;
}
