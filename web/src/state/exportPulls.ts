// SPDX-License-Identifier: Apache-2.0
import { type Pull, podNames } from '../model/pull';
import { registryOf } from './query';
import { STATUS_WORDS, errorWords, isWaitedFor, statusOf } from './status';
import { waitingSince } from './times';

export const EXPORT_FORMATS = ['Markdown', 'CSV', 'JSON'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportOptions {
  readonly pulls: readonly Pull[];
  readonly cluster: string | undefined;
  /** The search that chose them. */
  readonly query: string;
  readonly now: number;
  /** Where it can be seen live. */
  readonly address: string;
}

type Cell = string | number | undefined;

const COLUMNS: readonly (readonly [name: string, of: (pull: Pull) => Cell])[] = [
  ['status', (pull) => STATUS_WORDS[statusOf(pull)]],
  ['image', (pull) => pull.imageRef],
  ['node', (pull) => pull.nodeName],
  ['pods', (pull) => podNames(pull).join(' ')],
  ['percent', (pull) => Math.floor(pull.percent)],
  ['bytes', (pull) => pull.downloadedBytes],
  ['total', (pull) => (pull.totalKnown ? pull.totalBytes : undefined)],
  ['bytes/s', (pull) => pull.bytesPerSec],
  ['started', (pull) => utc(pull.startedAt)],
  ['waiting since', (pull) => (isWaitedFor(pull) ? utc(waitingSince(pull)) : undefined)],
  ['ended', (pull) => utc(pull.completedAt)],
  ['failure', errorWords],
  ['error', (pull) => pull.error],
];

/** The pulls as text for a ticket, a spreadsheet or a program, with UTC times and the cluster's name. */
export function exportPulls(format: ExportFormat, options: ExportOptions): string {
  switch (format) {
    case 'Markdown':
      return markdown(options);
    case 'CSV':
      return csv(options);
    case 'JSON':
      return json(options);
  }
}

function utc(at: number | undefined): string | undefined {
  return at === undefined ? undefined : `${new Date(at).toISOString().slice(0, 19)}Z`;
}

function markdown({ pulls, cluster, query, now, address }: ExportOptions): string {
  const rows = pulls.map((pull) => COLUMNS.map(([, of]) => markdownCell(of(pull))));
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `Image pulls${cluster === undefined ? '' : ` of ${markdownCell(cluster)}`} at ${utc(now) ?? ''}${query === '' ? '' : `, ${markdownCell(query)}`}: ${pulls.length}`,
    '',
    `<${address.replaceAll('>', '%3E').replaceAll('<', '%3C')}>`,
    '',
    line(COLUMNS.map(([name]) => name)),
    line(COLUMNS.map(() => '---')),
    ...rows.map(line),
    '',
  ].join('\n');
}

/** Nothing in a name may end the cell, or be more than text. */
function markdownCell(cell: Cell): string {
  return String(cell ?? '')
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]<>|~#&!@]/g, (sign) => `\\${sign}`);
}

function csv({ pulls, cluster, now }: ExportOptions): string {
  const head = ['cluster', 'at', ...COLUMNS.map(([name]) => name)];
  const rows = pulls.map((pull) => [cluster, utc(now), ...COLUMNS.map(([, of]) => of(pull))]);
  return [head, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** By https://www.rfc-editor.org/rfc/rfc4180; what a spreadsheet would take for a formula stays text. */
function csvCell(cell: Cell): string {
  if (typeof cell === 'number') return String(cell);
  const text = cell ?? '';
  const safe = /^\s*[=+\-@|%＝＋－＠]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function json({ pulls, cluster, query, now, address }: ExportOptions): string {
  const listed = pulls.map((pull) => ({
    id: pull.id,
    status: statusOf(pull),
    image: pull.imageRef,
    registry: registryOf(pull),
    digest: pull.rootDigest ?? pull.manifestDigest,
    node: pull.nodeName,
    pods: podNames(pull),
    percent: pull.percent,
    downloadedBytes: pull.downloadedBytes,
    totalBytes: pull.totalKnown ? pull.totalBytes : undefined,
    bytesPerSec: pull.bytesPerSec,
    startedAt: utc(pull.startedAt),
    waitsSince: isWaitedFor(pull) ? utc(waitingSince(pull)) : undefined,
    completedAt: utc(pull.completedAt),
    errorClass: pull.errorClass,
    error: pull.error,
    attempts: pull.attempts,
  }));
  return `${JSON.stringify({ cluster, at: utc(now), query, address, pulls: listed }, null, 2)}\n`;
}
