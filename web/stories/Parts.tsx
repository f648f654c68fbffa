// SPDX-License-Identifier: Apache-2.0
import { useState } from 'react';
import { STATUS_WORDS, type Status } from '../src/state/status';
import { CopyButton } from '../src/ui/CopyButton';
import { ImageName } from '../src/ui/ImageName';
import { ProgressBar } from '../src/ui/ProgressBar';
import { Segmented } from '../src/ui/Segmented';
import { StatusIcon } from '../src/ui/StatusIcon';

const REFERENCES = [
  'nginx:1.29',
  'docker.io/library/redis:8.2',
  'ghcr.io/acme/recommender-gpu:2026.11.3',
  `quay.io/prometheus/prometheus@sha256:${'5be1'.repeat(16)}`,
  'registry.example.internal:5000/a-team/with-a-very-long-name/and-a-deep-path/service:2026-11-21-build.48151623',
  '__pulling__',
  `sha256:${'8b1a'.repeat(16)}`,
];

const BARS = [
  [0, 0, 0, 0],
  [0, 0, 0, 0.3],
  [0, 0, 0.2, 0.3],
  [0.4, 0, 0.1, 0.2],
  [0.9, 0, 0, 0.1],
  [0, 0, 1, 0],
  [0.1, 0.8, 0.1, 0],
] as const;

/** The small parts, each in each state. */
export function Parts() {
  const [choice, setChoice] = useState<'one' | 'two'>('one');
  return (
    <div className="parts">
      <h2>Status</h2>
      {(Object.keys(STATUS_WORDS) as Status[]).map((status) => (
        <p key={status} className="part-line">
          <StatusIcon status={status} percent={60} /> {STATUS_WORDS[status]}
        </p>
      ))}
      <h2>Progress</h2>
      {BARS.map(([cached, remote, extracted, downloaded]) => (
        <ProgressBar
          key={`${cached} ${remote} ${extracted} ${downloaded}`}
          cached={cached}
          remote={remote}
          extracted={extracted}
          downloaded={downloaded}
          percent={(cached + remote + extracted + downloaded) * 100}
          label="Progress"
        />
      ))}
      <h2>Image names</h2>
      {REFERENCES.map((reference) => (
        <ImageName key={reference} reference={reference} />
      ))}
      <h2>Controls</h2>
      <Segmented
        label="Choice"
        options={[
          { value: 'one', label: 'One' },
          { value: 'two', label: 'Two' },
        ]}
        value={choice}
        onChange={setChoice}
      />
      <CopyButton text="copied" what="a word" />
    </div>
  );
}
