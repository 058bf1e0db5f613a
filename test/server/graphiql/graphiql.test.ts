import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createGraphiql } from '#server/graphiql/graphiql.ts';

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('GraphiQL', () => {
  test('is a page of this server’s own files alone', async () => {
    const graphiql = createGraphiql();
    const url = await serve((request, response) => void graphiql(request, response));
    const page = await fetch(`${url}/graphiql`);
    expect(page.status).toBe(200);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    const html = await page.text();
    const references = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, reference]) => reference ?? '');
    expect(references.length).toBeGreaterThan(2);
    expect(html).not.toMatch(/<script(?![^>]* src=)/);
    for (const reference of references) {
      expect(reference).toMatch(/^\/graphiql\/assets\/[\w.-]+$/);
      expect((await fetch(url + reference)).status, reference).toBe(200);
    }
  });

  test('gives nothing but its bundle', async () => {
    const graphiql = createGraphiql();
    const url = await serve((request, response) => void graphiql(request, response));
    const elsewhere = [
      '/graphiql/../package.json',
      '/graphiql/assets/..%2findex.html',
      '/graphiql/assets/none.js',
      '/graphiql/index.html',
    ];
    for (const path of elsewhere) expect((await fetch(url + path)).status, path).toBe(404);
    expect((await fetch(`${url}/graphiql`, { method: 'POST' })).status).toBe(405);
  });

  test('says how to build it if it is not built', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'grove-test-graphiql-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const graphiql = createGraphiql({ directory });
    const url = await serve((request, response) => void graphiql(request, response));
    const page = await fetch(`${url}/graphiql`);
    expect(page.status).toBe(503);
    expect(await page.text()).toContain('npm run prepare');
  });
});
