// SPDX-License-Identifier: Apache-2.0
import type { ClipboardEvent } from 'react';

/**
 * What a selection in a table is copied as: cells with tabs between, rows on lines of their own. By
 * itself the browser breaks a name at each of the parts that it is drawn of.
 */
export function copyCells(event: ClipboardEvent): void {
  const selection = window.getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return;
  const parts = selection.getRangeAt(0).cloneContents();
  // An open row is no line of cells.
  if (parts.querySelector('p, li, dl, section') !== null) return;
  event.clipboardData.setData('text/plain', textOf(parts));
  event.preventDefault();
}

function textOf(parts: DocumentFragment): string {
  const rows = [...parts.querySelectorAll('[role="row"]')];
  return rows.length === 0 ? cellsOf(parts) : rows.map(cellsOf).join('\n');
}

function cellsOf(row: ParentNode & Node): string {
  const cells = [...row.querySelectorAll('[role="gridcell"], [role="cell"]')];
  return cells.length === 0
    ? (row.textContent ?? '')
    : cells.map((cell) => cell.textContent).join('\t');
}
