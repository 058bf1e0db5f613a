/** What begins a command for people; `main.ts` looks here before it loads anything of it. */
export const cliNouns: readonly string[] = ['clusters', 'backups', 'operations', 'watch', 'login', 'logout'];
