import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useMemo, useState } from 'react';
import { examples } from './examples.ts';
import { EXAMPLES_PLUGIN } from './examplesPlugin.tsx';
import { createFetcher } from './fetcher.ts';
import { KeyBox } from './keyBox.tsx';

const KEY_ENTRY = 'grove.apiKey';

/** GraphiQL behind a key box. The key lives as long as the browser's tab. */
export function Page() {
  const [apiKey, setApiKey] = useState(() => sessionStorage.getItem(KEY_ENTRY));
  const fetcher = useMemo(() => (apiKey === null ? null : createFetcher(apiKey)), [apiKey]);

  function use(key: string | null) {
    if (key === null) sessionStorage.removeItem(KEY_ENTRY);
    else sessionStorage.setItem(KEY_ENTRY, key);
    setApiKey(key);
  }

  return (
    <>
      <KeyBox apiKey={apiKey} onChange={use} />
      {fetcher && (
        // Another key may see another schema: begin anew.
        <main key={apiKey}>
          <GraphiQL
            fetcher={fetcher}
            plugins={[HISTORY_PLUGIN, EXAMPLES_PLUGIN]}
            visiblePlugin={EXAMPLES_PLUGIN}
            defaultTabs={examples.slice(0, 1).map(({ query, variables }) => ({ query, variables }))}
            defaultEditorToolsVisibility="variables"
            isHeadersEditorEnabled={false}
            showPersistHeadersSettings={false}
          />
        </main>
      )}
    </>
  );
}
