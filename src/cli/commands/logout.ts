import { defineCommand } from '../command.ts';
import { exitCodes } from '../exitCodes.ts';
import { forgetLogin } from '../savedLogin.ts';

export const logout = defineCommand({
  words: 'logout',
  summary: 'Forgets what grove login has kept. The key itself goes on working.',
  async run({ host, say, tell }) {
    await forgetLogin(host);
    say('Signed out.');
    tell({ signedIn: false });
    return exitCodes.done;
  },
});
