// SPDX-License-Identifier: Apache-2.0
import type { SortColumn } from '../../state/view';

/** Where each column stands among all, for who cannot see; the progress takes two. */
export const COLUMN_INDEX: Record<SortColumn, number> = {
  status: 1,
  image: 2,
  node: 3,
  pods: 4,
  progress: 5,
  speed: 7,
  size: 8,
  ready: 9,
  elapsed: 10,
};

/** Its percents stand in a column of their own. */
export const PERCENT_INDEX = 6;

export const COLUMN_COUNT = 10;
