import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export const graphiqlPath = '/graphiql';

/** Where tools/graphiql.ts puts the bundle. */
const graphiqlDirectory = fileURLToPath(new URL('../../../dist/graphiql', import.meta.url));

const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.woff2': 'font/woff2',
};

/** Only this server's own files and API. The editor makes style elements while it runs; scripts come from files alone. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const missingPage = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>GraphiQL is not built</title></head>
  <body><h1>GraphiQL is not built</h1><p>Run <code>npm run prepare</code> where Grove is installed, then load this page again.</p></body>
</html>
`;

/** Serves GraphiQL's bundle. The page asks for a key; the API behind it gives nothing without one. */
export function createGraphiql({ directory = graphiqlDirectory } = {}) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, { allow: 'GET, HEAD' });
    const path = request.url?.split('?', 1)[0]?.slice(graphiqlPath.length) ?? '';
    const isPage = path === '' || path === '/';
    const file = isPage ? 'index.html' : normalize(path);
    const type = contentTypes[extname(file)];
    // The bundle is flat names in one folder of assets: nothing else is asked for, nor given.
    if (!isPage && (type === undefined || !/^\/assets\/[\w.-]+$/.test(path))) return end(response, 404);
    const body = await readFile(join(directory, file)).catch(() => null);
    if (body === null)
      return isPage
        ? end(response, 503, { 'content-type': 'text/html; charset=utf-8' }, missingPage)
        : end(response, 404);
    const cacheControl = isPage ? 'no-cache' : 'public, max-age=31536000, immutable';
    end(response, 200, { 'content-type': type, 'cache-control': cacheControl }, body);
  };
}

function end(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | undefined> = {},
  body: string | Buffer = '',
): void {
  const always = {
    'content-security-policy': contentSecurityPolicy,
    'referrer-policy': 'no-referrer',
    'content-length': Buffer.byteLength(body),
  };
  response.writeHead(status, { ...always, ...headers });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
