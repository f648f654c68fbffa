// SPDX-License-Identifier: Apache-2.0
import type { ReactNode } from 'react';
import { podAddress, visit } from '../state/urlState';

interface PodLinkProps {
  namespace: string;
  podName: string;
  className?: string;
  /** In a row, which the arrow keys walk: no stop of its own for Tab. */
  inRow?: boolean;
  children: ReactNode;
}

/** Leads to the pod's page. */
export function PodLink(props: PodLinkProps) {
  const { namespace, podName, className = '', inRow = false, children } = props;
  const address = podAddress(`${namespace}/${podName}`);
  return (
    <a
      href={address}
      className={`pod-link ${className}`}
      tabIndex={inRow ? -1 : undefined}
      onClick={(event) => {
        event.stopPropagation();
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        // A click that ends a text selection is not meant for the link.
        if ((window.getSelection()?.toString() ?? '') === '') visit(address);
      }}
    >
      {children}
    </a>
  );
}
