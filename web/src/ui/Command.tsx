// SPDX-License-Identifier: Apache-2.0
import { CopyButton } from './CopyButton';
import './Command.css';

interface CommandProps {
  /** For a shell. */
  text: string;
  /** What the copy button says that it copies. */
  what: string;
  /** The node to run it on, where that matters. */
  onNode?: string | undefined;
}

/** A command to run, with a button that copies it. */
export function Command({ text, what, onNode }: CommandProps) {
  return (
    <div className="command">
      {onNode !== undefined && <span className="dim">on {onNode}</span>}
      <code className="ellipsis" title={text}>
        {text}
      </code>
      <CopyButton text={text} what={what} />
    </div>
  );
}
