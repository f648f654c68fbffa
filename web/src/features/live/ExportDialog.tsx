// SPDX-License-Identifier: Apache-2.0
import { useContext } from 'react';
import { plural } from '../../lib/format';
import type { Pull } from '../../model/pull';
import { StoreContext } from '../../state/context';
import { EXPORT_FORMATS, type ExportFormat, exportPulls } from '../../state/exportPulls';
import { CopyButton } from '../../ui/CopyButton';
import { Dialog } from '../../ui/Dialog';
import './ExportDialog.css';

const ENDINGS: Record<ExportFormat, string> = { Markdown: 'md', CSV: 'csv', JSON: 'json' };

interface ExportDialogProps {
  pulls: readonly Pull[];
  query: string;
  onClose: () => void;
}

/** The pulls that the table lists, to be taken elsewhere. */
export function ExportDialog({ pulls, query, onClose }: ExportDialogProps) {
  const store = useContext(StoreContext);
  const { summary, clockOffsetMs } = store.get();
  const textOf = (format: ExportFormat) =>
    exportPulls(format, {
      pulls,
      cluster: summary?.cluster,
      query,
      now: Date.now() + clockOffsetMs,
      address: window.location.href,
    });
  return (
    <Dialog title="Export" className="export-dialog" onClose={onClose}>
      <p className="dim">
        {plural(pulls.length, 'pull')}, as the search leaves them, with times in UTC
        {summary?.cluster !== undefined && ` and ${summary.cluster} as the cluster`}.
      </p>
      <ul>
        {EXPORT_FORMATS.map((format) => (
          <li key={format}>
            <strong>{format}</strong>
            <CopyButton text={() => textOf(format)} what={format} />
            <button
              type="button"
              className="copy-button"
              aria-label={`Save ${format}`}
              onClick={() => save(textOf(format), `pulls.${ENDINGS[format]}`)}
            >
              save
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

function save(text: string, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
