// SPDX-License-Identifier: Apache-2.0
import { useState } from 'react';
import { Icon, type IconName } from './Icon';
import { type Theme, storeTheme, storedTheme } from './theme';
import './ThemeSwitch.css';

const NEXT: Record<Theme, Theme> = { system: 'dark', dark: 'light', light: 'system' };
const ICONS: Record<Theme, IconName> = { system: 'display', dark: 'moon', light: 'sun' };

/** Goes round system, dark, light. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  return (
    <button
      type="button"
      className="theme-switch"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}; click for ${NEXT[theme]}`}
      onClick={() => {
        storeTheme(NEXT[theme]);
        setTheme(NEXT[theme]);
      }}
    >
      <Icon name={ICONS[theme]} size={16} />
    </button>
  );
}
