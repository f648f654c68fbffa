// SPDX-License-Identifier: Apache-2.0
import { formatCount } from '../lib/format';
import type { Summary } from '../model/cluster';
import type { Pull } from '../model/pull';
import { isCheck } from './checks';
import { endedBadly, isActive, isWaitedFor, statusOf } from './status';

/** What a tab shows of itself; the icon is one of `public/`. */
export interface PageSign {
  readonly title: string;
  readonly icon: 'favicon' | 'favicon-pulling' | 'favicon-failed';
}

/** `2 failed, 37 pulling · prod-eu-1 · Pulltrace`: failed are those for which a pod waits. */
export function pageSign(pulls: Iterable<Pull>, summary: Summary | null, page: string): PageSign {
  let failed = 0;
  let pulling = 0;
  for (const pull of pulls) {
    const status = statusOf(pull);
    if (isActive(status) && !isCheck(pull)) pulling++;
    else if (endedBadly(status) && isWaitedFor(pull)) failed++;
  }
  const state = [
    failed > 0 && `${formatCount(failed)} failed`,
    pulling > 0 && `${formatCount(pulling)} pulling`,
  ].filter((words) => words !== false);
  const title = [
    state.join(', '),
    page === 'Live' && state.length > 0 ? '' : page,
    summary?.cluster,
    'Pulltrace',
  ];
  return {
    title: title.filter(Boolean).join(' · '),
    icon: failed > 0 ? 'favicon-failed' : pulling > 0 ? 'favicon-pulling' : 'favicon',
  };
}
