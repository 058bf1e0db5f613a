/** Without what a terminal would take for a command, or turn the direction of text by: some texts are another program's words. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Bidi_Control}]+/gu, ' ');
