// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from 'react';
import './EmptyState.css';

export function EmptyState({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="empty-state surface">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
