// SPDX-License-Identifier: Apache-2.0
import type { Sort, SortColumn } from '../../state/view';
import { Icon } from '../../ui/Icon';
import { COLUMN_INDEX } from './columns';

export const COLUMNS: readonly { column: SortColumn; label: string; className: string }[] = [
  { column: 'status', label: 'Status', className: 'cell-status' },
  { column: 'image', label: 'Image', className: 'cell-image' },
  { column: 'node', label: 'Node', className: 'cell-node' },
  { column: 'pods', label: 'Waiting pods', className: 'cell-pods' },
  { column: 'progress', label: 'Progress', className: 'cell-progress' },
  { column: 'speed', label: 'Speed', className: 'cell-speed num' },
  { column: 'size', label: 'Size', className: 'cell-size num' },
  { column: 'ready', label: 'Ready', className: 'cell-ready num' },
  { column: 'elapsed', label: 'Elapsed', className: 'cell-elapsed num' },
];

interface TableHeadProps {
  podColumn: boolean;
  sort: Sort | null;
  onSort: (sort: Sort | null) => void;
}

/** The heads of the columns, each a button that sorts. */
export function TableHead({ podColumn, sort, onSort }: TableHeadProps) {
  const columns = COLUMNS.filter(({ column }) => podColumn || column !== 'pods');
  return (
    <div role="rowgroup" className="table-header">
      <div role="row" aria-rowindex={1} className="pull-columns">
        {columns.map((column) => (
          <ColumnHeader key={column.column} {...column} sort={sort} onSort={onSort} />
        ))}
      </div>
    </div>
  );
}

interface ColumnHeaderProps {
  column: SortColumn;
  label: string;
  className: string;
  sort: Sort | null;
  onSort: (sort: Sort | null) => void;
}

/** Sorts ascending, then descending, then as it was. */
function ColumnHeader({ column, label, className, sort, onSort }: ColumnHeaderProps) {
  const mine = sort?.column === column ? sort : null;
  const next =
    mine === null
      ? { column, descending: false }
      : mine.descending
        ? null
        : { column, descending: true };
  const state = mine === null ? 'none' : mine.descending ? 'descending' : 'ascending';
  return (
    <div
      role="columnheader"
      aria-colindex={COLUMN_INDEX[column]}
      aria-colspan={column === 'progress' ? 2 : undefined}
      aria-sort={state}
      className={className}
    >
      <button type="button" className="sort-button" onClick={() => onSort(next)}>
        <span className={column === 'status' ? 'visually-hidden' : undefined}>{label}</span>
        {mine !== null && <Icon name={mine.descending ? 'down' : 'up'} size={12} />}
      </button>
    </div>
  );
}
