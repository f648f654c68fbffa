// SPDX-License-Identifier: Apache-2.0
import { type KeyboardEvent, type RefObject, useEffect, useState } from 'react';
import { type Query, TOKEN_KEYS, addTyped, isEmpty, withoutToken } from '../../state/query';
import { Icon } from '../../ui/Icon';
import './SearchField.css';

const TOKENS = TOKEN_KEYS.map((key) => `${key}:`).join(' ');

interface SearchFieldProps {
  query: Query;
  /** `typing` asks not to make a step for the back button of every letter. */
  onChange: (query: Query, how: 'typing' | 'done') => void;
  input: RefObject<HTMLInputElement | null>;
}

/** Free text filters while it is typed; `key:value` becomes a chip at the next space. */
export function SearchField({ query, onChange, input }: SearchFieldProps) {
  const [typed, setTyped] = useState(query.text);
  const [shown, setShown] = useState(query.text);
  // The address changed under the field: by the back button, a link, or “clear”.
  if (query.text !== shown) {
    setShown(query.text);
    if (typed.trim() !== query.text) setTyped(query.text);
  }

  const write = (value: string, how: 'typing' | 'done') => {
    const words = value.split(/\s+/);
    // The last word may still grow, so it becomes a chip only once it is closed.
    const open = how === 'typing' && !/\s$/.test(value) ? (words.pop() ?? '') : '';
    const next = addTyped(query, words.join(' '));
    const closed = next.tokens.length > query.tokens.length;
    const text = [next.text, open].filter(Boolean).join(' ');
    const pendingToken = open.includes(':');
    setTyped(closed || how === 'done' ? text : value);
    const shownText = pendingToken ? next.text : text;
    setShown(shownText);
    onChange({ tokens: next.tokens, text: shownText }, closed ? 'done' : how);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') write(typed, 'done');
    else if (event.key === 'Backspace' && typed === '' && query.tokens.length > 0) {
      onChange(withoutToken(query, query.tokens.length - 1), 'done');
    } else if (event.key === 'Escape') {
      if (typed !== '') write('', 'done');
      else event.currentTarget.blur();
    }
  };

  return (
    <div className="search surface" role="search">
      <Icon name="search" size={15} className="search-icon" />
      {query.tokens.map((token, index) => (
        <span key={`${token.key}:${token.value}`} className="chip">
          <span className="chip-key">{token.key}:</span>
          <span className="ellipsis">{token.value}</span>
          <button
            type="button"
            aria-label={`Remove ${token.key}:${token.value}`}
            onClick={() => {
              onChange(withoutToken(query, index), 'done');
              input.current?.focus();
            }}
          >
            <Icon name="cross" size={11} />
          </button>
        </span>
      ))}
      <input
        ref={input}
        type="text"
        aria-label="Filter pulls"
        aria-description={`Words match any field. ${TOKENS} narrow it down.`}
        placeholder={
          query.tokens.length === 0
            ? 'Image, node, pod, namespace, registry …  or status:failed node:worker'
            : 'Image, node, pod, namespace, registry …'
        }
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => write(event.target.value, 'typing')}
        onKeyDown={onKeyDown}
      />
      {isEmpty(query) && typed === '' ? (
        <kbd className="key" title="Press / to search">
          /
        </kbd>
      ) : (
        <button
          type="button"
          className="search-clear"
          onClick={() => {
            setTyped('');
            setShown('');
            onChange({ tokens: [], text: '' }, 'done');
            input.current?.focus();
          }}
        >
          clear
        </button>
      )}
    </div>
  );
}

/** `/` puts the caret into the field, from anywhere but another field. */
export function useSearchKey(input: RefObject<HTMLInputElement | null>) {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element | null)?.closest('input:not([type="radio"]), textarea')) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [input]);
}
