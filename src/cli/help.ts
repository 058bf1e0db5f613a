import { type Argument, type Command, commonOptions, type Option } from './command.ts';

/** The whole of one command. */
export function helpOf(command: Command): string {
  const { summary, options } = command;
  const rows = [
    ...argumentsOf(command).map(({ name, meaning }) => [name, meaning] as const),
    ...Object.entries<Option>({ ...options, ...commonOptions }).map(
      ([name, { value, meaning }]) => [`--${name}${value === undefined ? '' : ` ${value}`}`, meaning] as const,
    ),
  ];
  return `${usageOf(command)} [options]\n\n${summary}\n\n${columns(rows)}`;
}

/** The commands that begin with a word, or all of them. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => [usageOf(command), command.summary] as const);
  return `${columns(rows)}\n  grove <command> --help tells the options.\n`;
}

const usageOf = (command: Command): string =>
  ['grove', command.words, ...argumentsOf(command).map(({ name }) => name)].join(' ');

const argumentsOf = ({ argument, others }: Command): Argument[] => [
  ...(argument === null ? [] : [argument]),
  ...(others === null ? [] : [{ ...others, name: others.once ? others.name : `${others.name}...` }]),
];

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}
