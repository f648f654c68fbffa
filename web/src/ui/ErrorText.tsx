// SPDX-License-Identifier: Apache-2.0
import { CopyButton } from './CopyButton';
import './ErrorText.css';

/** All that a registry, containerd or the kubelet says of a failure, with a button that copies it. */
export function ErrorText({ text }: { text: string }) {
  return (
    <div className="error-text">
      {/* A long one scrolls, so the keyboard must reach it. */}
      <code tabIndex={0}>{text}</code>
      <CopyButton text={text} what="error" />
    </div>
  );
}
