import { Box, render, Text, useApp, useInput, useWindowSize } from 'ink';
import { createElement, type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import type { FollowedProject } from './followProject.ts';
import { type Choice, type Line, screen } from './screen.ts';

export type MonitorOptions = {
  url: string;
  following: FollowedProject;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  /** False: as NO_COLOR wishes. */
  colored: boolean;
};

/** Shows the project until the user quits, or until the stream has ended for good: then it throws the reason. */
export async function showMonitor({ stdin, stdout, ...options }: MonitorOptions): Promise<void> {
  const app = render(createElement(Monitor, options), {
    stdin,
    stdout,
    alternateScreen: true,
    incrementalRendering: true,
    patchConsole: false,
    interactive: true,
    maxFps: 15,
  });
  const failure = options.following.ended.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  const end = await Promise.race([app.waitUntilExit().then(() => null), failure]);
  app.unmount();
  await app.waitUntilExit();
  if (end) throw end.error;
}

function Monitor({ url, following, colored }: Pick<MonitorOptions, 'url' | 'following' | 'colored'>): ReactNode {
  const followed = useSyncExternalStore(following.subscribe, following.current);
  const [wish, setWish] = useState<Choice>({ clusterId: null, view: 'project' });
  const { columns, rows } = useWindowSize();
  const now = useSeconds();
  const { exit } = useApp();
  const ids = followed.project.clusters.map(({ id }) => id);
  // A cluster that is opened stays chosen when it is gone; in the list another one is chosen then.
  const isThere = wish.clusterId !== null && (wish.view === 'cluster' || ids.includes(wish.clusterId));
  const choice = isThere ? wish : { ...wish, clusterId: ids[0] ?? null };
  const wanted = [choice.clusterId, ...ids.filter((id) => id !== choice.clusterId)]
    .filter((id) => id !== null)
    .join(' ');
  useEffect(() => following.lookAt(wanted === '' ? [] : wanted.split(' ')), [following, wanted]);
  useInput((input, key) => {
    if (input === 'q') exit();
    else setWish(nextChoice(choice, ids, input, key));
  });
  const lines = screen({ url, followed, choice, size: { columns, rows }, now });
  return createElement(
    Box,
    { flexDirection: 'column', width: columns, height: rows, overflow: 'hidden' },
    ...lines.map((line, index) => lineElement(line, index, colored)),
  );
}

type Keys = { upArrow: boolean; downArrow: boolean; return: boolean; escape: boolean; backspace: boolean };

function nextChoice(choice: Choice, ids: readonly string[], input: string, key: Keys): Choice {
  const at = choice.clusterId === null ? -1 : ids.indexOf(choice.clusterId);
  const choose = (index: number): Choice => ({
    ...choice,
    clusterId: ids[Math.min(Math.max(index, 0), ids.length - 1)] ?? null,
  });
  if (input === '?') return { ...choice, view: choice.view === 'help' ? 'project' : 'help' };
  if (key.escape || key.backspace) return { ...choice, view: 'project' };
  if (choice.view !== 'project') return choice;
  if (key.return) return choice.clusterId === null ? choice : { ...choice, view: 'cluster' };
  if (key.downArrow || input === 'j') return choose(at + 1);
  if (key.upArrow || input === 'k') return choose(at - 1);
  if (input === 'g') return choose(0);
  if (input === 'G') return choose(ids.length - 1);
  return choice;
}

function useSeconds(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const lineElement = (line: Line, index: number, colored: boolean): ReactNode =>
  createElement(
    Text,
    { key: index, wrap: 'truncate-end' },
    line.every(({ text }) => text === '') ? ' ' : null,
    ...line.map(({ text, color, bold = false }, part) =>
      createElement(Text, { key: part, bold, ...(colored && color ? { color } : {}) }, text),
    ),
  );
