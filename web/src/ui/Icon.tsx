// SPDX-License-Identifier: Apache-2.0

const PATHS = {
  logo: ['M12 3v9', 'm8 8.5 4 4 4-4', 'm4 14.5 8 5 8-5'],
  search: ['M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Z', 'm20 20-4-4'],
  extract: ['M12 4v10', 'm7.5 10 4.5 4.5 4.5-4.5', 'M5 19.5h14'],
  pause: ['M9 6v12', 'M15 6v12'],
  cross: ['m6 6 12 12', 'M18 6 6 18'],
  check: ['m5 12.5 4.5 4.5L19 7.5'],
  clock: ['M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Z', 'M12 8v4.5l3 1.5'],
  hourglass: ['M7 4h10', 'M7 20h10', 'M8 4c0 5 8 6 8 8s-8 3-8 8', 'M16 4c0 5-8 6-8 8s8 3 8 8'],
  question: ['M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4', 'M12 17.5v.5'],
  bell: ['M6 16V11a6 6 0 1 1 12 0v5l1.5 2h-15Z', 'M10 20.5h4'],
  dots: ['M6 12h.01', 'M12 12h.01', 'M18 12h.01'],
  chevron: ['m9 6 6 6-6 6'],
  sun: [
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Z',
    'M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  ],
  moon: ['M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z'],
  display: ['M4 5h16v11H4z', 'M9 20h6'],
  up: ['m7 14 5-5 5 5'],
  down: ['m7 10 5 5 5-5'],
} as const;

export type IconName = keyof typeof PATHS;

interface IconProps {
  name: IconName;
  size?: number;
  className?: string | undefined;
}

/** Decoration only: the words beside it, or an aria-label, carry the meaning. */
export function Icon({ name, size = 16, className }: IconProps) {
  return (
    <svg
      className={className}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {PATHS[name].map((path) => (
        <path key={path} d={path} />
      ))}
    </svg>
  );
}
