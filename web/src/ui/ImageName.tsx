// SPDX-License-Identifier: Apache-2.0
import { shortVersion, splitImageRef } from '../lib/imageRef';
import { middleDigest } from '../lib/format';
import { UNNAMED, isUnnamed } from '../state/images';
import './ImageName.css';

/** Registry dim, repository strong, tag plain. What has no room gives way from the left. */
export function ImageName({ reference }: { reference: string }) {
  if (isUnnamed(reference)) {
    return (
      <span className="image-name name dim" title={reference}>
        {reference === UNNAMED ? 'not named yet' : `not named yet, ${middleDigest(reference)}`}
      </span>
    );
  }
  const { registry, repository, version } = splitImageRef(reference);
  const slash = repository.lastIndexOf('/') + 1;
  const path = repository.slice(0, slash);
  const name = repository.slice(slash);
  const tag = shortVersion(version);
  return (
    <span className="image-name name" title={reference}>
      {registry !== '' && <span className="image-registry">{`${registry}/`}</span>}
      <span className="image-rest">
        {path !== '' && <span className="image-path">{path}</span>}
        <span className="image-last">
          <span className="image-repository">{name}</span>
          {tag !== '' && <span className="image-tag">{tag}</span>}
        </span>
      </span>
    </span>
  );
}
