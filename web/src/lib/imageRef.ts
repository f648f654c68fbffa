// SPDX-License-Identifier: Apache-2.0

export interface ImageParts {
  /** Host with port; empty when the reference named none. */
  registry: string;
  repository: string;
  /** With its separator, `:1.2` or `@sha256:…`; empty when there is none. */
  version: string;
}

/**
 * Splits a reference for display, by https://github.com/distribution/reference.
 * A malformed one comes back whole as the repository.
 */
export function splitImageRef(reference: string): ImageParts {
  const at = reference.indexOf('@');
  const named = at < 0 ? reference : reference.slice(0, at);
  const digest = at < 0 ? '' : reference.slice(at);
  const colon = named.lastIndexOf(':');
  const tagged = colon > named.lastIndexOf('/');
  const name = tagged ? named.slice(0, colon) : named;
  const tag = tagged ? named.slice(colon) : '';
  const slash = name.indexOf('/');
  const host = slash < 0 ? '' : name.slice(0, slash);
  const hasHost = host === 'localhost' || /[.:A-Z]/.test(host);
  let registry = hasHost ? host : '';
  let repository = hasHost ? name.slice(slash + 1) : name;
  if (registry === 'docker.io' && repository.startsWith('library/')) {
    registry = '';
    repository = repository.slice('library/'.length);
  }
  return { registry, repository, version: tag || digest };
}

/** `@sha256:` and the first digits of a digest. */
const DIGEST_SHOWN = 15;

/** A tag whole, a digest cut short. */
export function shortVersion(version: string): string {
  return version.startsWith('@') ? version.slice(0, DIGEST_SHOWN) : version;
}

/** A reference as it is shown. */
export function displayName(reference: string): string {
  const { registry, repository, version } = splitImageRef(reference);
  return `${registry === '' ? '' : `${registry}/`}${repository}${shortVersion(version)}`;
}
