import { type FormEvent, useState } from 'react';
import { refusalOf } from './refusalOf.ts';

type KeyBoxProps = { apiKey: string | null; onChange(apiKey: string | null): void };

/** Takes the API key. The browser is not asked to remember it. */
export function KeyBox({ apiKey, onChange }: KeyBoxProps) {
  const [entered, setEntered] = useState('');
  const [refusal, setRefusal] = useState<string | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    const key = entered.trim();
    if (key === '') return;
    const refused = await refusalOf(key);
    setRefusal(refused);
    if (refused === null) onChange(key);
    setEntered('');
  }

  if (apiKey !== null) {
    return (
      <header className="key-box">
        <span>
          Signed in with key <code>{apiKey.split('_').slice(0, 2).join('_')}…</code>
        </span>
        <button type="button" onClick={() => onChange(null)}>
          Use another key
        </button>
      </header>
    );
  }
  return (
    <form className="key-box" onSubmit={submit}>
      <label>
        API key
        <input
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="grv_…"
          value={entered}
          onChange={({ target }) => setEntered(target.value)}
        />
      </label>
      <button type="submit">Use key</button>
      {refusal !== null && <p role="alert">{refusal}</p>}
      <p>
        The first key of a new Grove is in the file that it named when it started: <code>admin.key</code> in its data
        directory.
      </p>
    </form>
  );
}
