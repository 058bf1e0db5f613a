import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);

/** A terminal with a program in it, as somebody sits before it. */
export type Terminal = {
  /** What is on it now, a line for each row, without colours. */
  lines(): Promise<string[]>;
  /** The same with the sequences that colour it. */
  colored(): Promise<string>;
  /** Keys by tmux's names, e.g. "Enter", "j". */
  press(...keys: string[]): Promise<void>;
  resize(columns: number, rows: number): Promise<void>;
  /** Whether the program still runs. */
  isOpen(): Promise<boolean>;
};

export const tmuxIsInstalled = spawnSync('tmux', ['-V']).status === 0;
/** For the title of a suite that is skipped for want of the program. */
export const tmuxHint = tmuxIsInstalled ? '' : ' (tmux is missing: npm run servers)';

type Program = { command: readonly string[]; environment: Record<string, string>; columns: number; rows: number };

/** By tmux, with a server of its own. Ends with the test. */
export async function openTerminal({ command, environment, columns, rows }: Program): Promise<Terminal> {
  const directory = mkdtempSync(join(tmpdir(), 'grove-terminal-'));
  const tmux = (...args: string[]) =>
    run('tmux', ['-S', join(directory, 'socket'), '-f', '/dev/null', ...args], {
      env: { ...environment, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8' },
    });
  onTestFinished(async () => {
    await tmux('kill-server').catch(() => {});
    rmSync(directory, { recursive: true });
  });
  await tmux('new-session', '-d', '-s', 'test', '-x', String(columns), '-y', String(rows), '--', ...command);
  const capture = async (...options: string[]) => (await tmux('capture-pane', '-p', ...options)).stdout;
  return {
    lines: async () => (await capture()).split('\n').map((line) => line.trimEnd()),
    colored: () => capture('-e'),
    press: async (...keys) => void (await tmux('send-keys', ...keys)),
    resize: async (width, height) => void (await tmux('resize-window', '-x', String(width), '-y', String(height))),
    isOpen: () =>
      tmux('has-session').then(
        () => true,
        () => false,
      ),
  };
}
