// SPDX-License-Identifier: Apache-2.0

/** Nearest rank; 0 of nothing. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** Least squares: by how much `values` grow from one to the next. */
export function slope(values) {
  const mean = (of) => of.reduce((sum, value) => sum + value, 0) / of.length;
  const middle = (values.length - 1) / 2;
  const level = mean(values);
  let above = 0;
  let below = 0;
  values.forEach((value, index) => {
    above += (index - middle) * (value - level);
    below += (index - middle) ** 2;
  });
  return below === 0 ? 0 : above / below;
}

export const kb = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
export const mb = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MB`;

export function printLine(name, text) {
  console.log(`${`${name}:`.padEnd(26)} ${text}`);
}

export function printTimes(name, times, after = '') {
  const [p50, p95, p99, most] = [0.5, 0.95, 0.99, 1].map((share) => {
    return `${quantile(times, share).toFixed(0)} ms`;
  });
  printLine(name, `p50 ${p50}, p95 ${p95}, p99 ${p99}, most ${most} of ${times.length}${after}`);
}
