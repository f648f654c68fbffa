// SPDX-License-Identifier: Apache-2.0
import { Command } from './Command';
import { EmptyState } from './EmptyState';

/** No node has ever reported: what to run. */
export function NoAgent() {
  const server = new URL('.', document.baseURI).href.replace(/\/$/, '');
  const command = `PULLTRACE_SERVER_URL=${server} pulltrace-agent`;
  return (
    <EmptyState title="No agent reports yet">
      <p>Each node runs the agent. On a machine with containerd, as root:</p>
      <Command text={command} what="agent command" />
      <p>In Kubernetes a DaemonSet runs it on every node.</p>
    </EmptyState>
  );
}
