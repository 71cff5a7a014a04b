import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { HERE } from './checkout.ts';

/**
 * A checkout of another commit with its packages, gone with its scope. Throws when the history
 * doesn't have the commit.
 */
export function checkOut(commit: string, folder: string): { path: string } & Disposable {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', HERE, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  git('worktree', 'add', '--detach', '--force', folder, commit);
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    git('worktree', 'prune');
  };
  try {
    execFileSync(process.execPath, [join(folder, 'bin', 'bootstrap.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    remove();
    throw error;
  }
  return { path: folder, [Symbol.dispose]: remove };
}
