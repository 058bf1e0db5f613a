/** Why Grove does not take the key, in words. Null: it does. */
export async function refusalOf(apiKey: string): Promise<string | null> {
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify({ query: '{ viewer { role } }' }),
    });
    if (response.status === 401) return 'Grove does not know this key, or it was revoked.';
    return response.ok ? null : `Grove answers ${response.status}. Try again soon.`;
  } catch {
    return 'Grove does not answer.';
  }
}
