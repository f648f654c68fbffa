// SPDX-License-Identifier: Apache-2.0
import { splitImageRef } from '../lib/imageRef';
import { UNNAMED } from '../state/images';
import './ImageName.css';

/** Registry dim, repository strong, tag plain. What has no room gives way from the left. */
export function ImageName({ reference }: { reference: string }) {
  if (reference === UNNAMED) {
    return (
      <span className="image-name dim" title="The node has not told the image’s name yet">
        resolving name…
      </span>
    );
  }
  const { registry, repository, version } = splitImageRef(reference);
  const slash = repository.lastIndexOf('/') + 1;
  const path = repository.slice(0, slash);
  const name = repository.slice(slash);
  const tag = version.startsWith('@') ? version.slice(0, 15) : version;
  return (
    <span className="image-name" title={reference}>
      {registry !== '' && <span className="image-registry">{registry}/</span>}
      {path !== '' && <span className="image-path">{path}</span>}
      <span className="image-repository">{name}</span>
      {tag !== '' && <span className="image-tag">{tag}</span>}
    </span>
  );
}
