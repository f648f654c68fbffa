// SPDX-License-Identifier: Apache-2.0

/** What a missing value looks like in the table. */
export const NONE = '—';

/** Title text wherever bytes are shown. */
export const UNIT_NOTE = 'Units are powers of 1024: 1 KB is 1,024 B, 1 MB is 1,024 KB';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;

function unitIndex(bytes: number): number {
  let index = 0;
  // 999.5 and not 1024, so that no number of four digits is ever shown.
  for (let rest = bytes; rest >= 999.5 && index < UNITS.length - 1; rest /= 1024) index++;
  return index;
}

function scaled(bytes: number, index: number, decimals: number): string {
  return (bytes / 1024 ** index).toFixed(decimals);
}

function decimalsFor(bytes: number, index: number): number {
  const value = bytes / 1024 ** index;
  return index < 2 || value >= 99.95 ? 0 : 1;
}

/** A quantity split so that the unit can be set smaller: `['1.8', 'GB']`. */
export function bytesParts(bytes: number): [value: string, unit: string] {
  const index = unitIndex(bytes);
  return [scaled(bytes, index, decimalsFor(bytes, index)), UNITS[index] ?? 'B'];
}

export function formatBytes(bytes: number): string {
  return bytesParts(bytes).join(' ');
}

export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** `5.1 of 7.8 GB`: both in the total's unit, so that the pair can be compared at a glance. */
export function formatBytesOf(done: number, total: number): string {
  if (done >= total) return formatBytes(total);
  const index = unitIndex(total);
  const decimals = index < 2 || total / 1024 ** index >= 9.95 ? 0 : 1;
  return `${scaled(done, index, decimals)} of ${scaled(total, index, decimals)} ${UNITS[index] ?? 'B'}`;
}

/** Whole seconds since then, never below 0: the page's clock may be behind. */
export function secondsSince(at: number, now: number): number {
  return Math.max(0, Math.floor((now - at) / 1000));
}

/** Seconds for people: `0.4s`, `41s`, `1m 12s`, `2h 05m`, `3d 04h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return NONE;
  if (seconds === 0) return '0s';
  if (seconds < 0.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d ${two(Math.floor((whole % 86400) / 3600))}h`;
}

/** How long ago something was, in its largest unit: nobody reads more of it. `41s`, `2m`, `5h`, `3d`. */
export function formatAge(seconds: number): string {
  return formatDuration(seconds).split(' ')[0] ?? NONE;
}

/** Of how many it is unknown when they are ready: `3 unknown`. */
export function formatUnknown(unknown: number): string {
  return `${formatCount(unknown)} unknown`;
}

/** Until when how many are ready: `all ready in 42s`, `90% ready in 2m 05s, 3 unknown`. */
export function formatReadiness(ready: {
  readonly seconds: number | undefined;
  readonly percent: number;
  readonly unknown: number;
}): string {
  const { seconds, percent, unknown } = ready;
  const part = percent === 100 ? 'all' : `${percent}%`;
  return [
    seconds !== undefined && `${part} ready in ${formatDuration(Math.max(1, seconds))}`,
    unknown > 0 && formatUnknown(unknown),
  ]
    .filter((words) => words !== false)
    .join(', ');
}

/** A length of time that someone chose, in its largest whole unit: `45 s`, `30 min`, `2 h`. */
export function formatSpan(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** Whole percent that says 100 only when all is there. */
export function formatPercent(percent: number): string {
  if (percent >= 100) return '100%';
  return `${Math.max(0, Math.min(99, Math.floor(percent)))}%`;
}

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** A clock time where the reader is, `10:00:05`, with its day if that is another than `now`’s. */
export function formatClock(at: number, now: number): string {
  const time = clock.format(at);
  return day.format(at) === day.format(now) ? time : `${day.format(at)}, ${time}`;
}

const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** A clock time of what is only about known: `14:32`. */
export function formatMinute(at: number): string {
  return minute.format(at);
}

/** The same as logs have it: `2026-11-21 10:00:05 UTC`. */
export function formatUtc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const counts = new Intl.NumberFormat('en-US');

export function formatCount(value: number): string {
  return counts.format(value);
}

/** `1 pod`, `4 pods`. */
export function plural(value: number, noun: string): string {
  return `${formatCount(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** The first eight hex digits of a digest, enough to set a pull's layers apart. */
export function shortDigest(digest: string): string {
  const hex = digest.slice(digest.indexOf(':') + 1);
  return hex.slice(0, 8);
}

/** A digest in the middle of text: algorithm, both ends. */
export function middleDigest(digest: string): string {
  return digest.length > 24 ? `${digest.slice(0, 11)}…${digest.slice(-4)}` : digest;
}
