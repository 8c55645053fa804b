/** What to type, in the words of one package manager. */
export interface Remedies {
  /** Builds the addon again. */
  rebuild: string;
  /** Lets the package manager run this package's install script. */
  allow: string;
  /** Begins a call of the command line, as "npx" does. */
  run: string;
}

export type PackageManager = 'npm' | 'pnpm' | 'yarn1' | 'yarn';

/** Whether this is a checkout of the repository, with the sources that are compiled to dist/. */
export const isCheckout: boolean;

/**
 * @param agent what called the process, as package managers say it. Default: `npm_config_user_agent`
 * @param folder where this package lies, which tells it otherwise
 */
export function packageManager(agent?: string, folder?: string): PackageManager;

export function remedies(manager?: PackageManager): Remedies;
