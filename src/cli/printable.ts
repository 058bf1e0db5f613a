/** Without what a terminal would take for a command: some texts are another program's words. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed
export const printable = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
