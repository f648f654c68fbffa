// SPDX-License-Identifier: Apache-2.0
import type { Sort } from '../../state/view';
import { COLUMNS } from './TableHead';

interface SortChoiceProps {
  podColumn: boolean;
  sort: Sort | null;
  onSort: (sort: Sort | null) => void;
}

/** Stands in for the heads of the columns where there is no room for them. */
export function SortChoice({ podColumn, sort, onSort }: SortChoiceProps) {
  const choices = COLUMNS.filter(({ column }) => podColumn || column !== 'pods').flatMap(
    ({ column, label }) => [
      { sort: { column, descending: false }, label },
      { sort: { column, descending: true }, label: `${label}, descending` },
    ],
  );
  const chosen = choices.findIndex(
    (choice) => choice.sort.column === sort?.column && choice.sort.descending === sort.descending,
  );
  return (
    <label className="sort-choice surface">
      <span className="dim">Sort by</span>
      <select
        value={chosen}
        onChange={(event) => onSort(choices[Number(event.target.value)]?.sort ?? null)}
      >
        <option value={-1}>start</option>
        {choices.map((choice, index) => (
          <option key={choice.label} value={index}>
            {choice.label}
          </option>
        ))}
      </select>
    </label>
  );
}
