import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'pg';

/**
 * A program of its own, with the store's URL and a project's id as arguments: answers every request with the page that the
 * benchmark asks Grove for, from one prepared statement. It prints its port.
 */
const [url, projectId] = process.argv.slice(2);
const page = /* SQL */ `
  SELECT json_build_object('data', json_build_object('clusters', json_build_object('nodes',
    json_agg(node ORDER BY name, id))))::text AS body
  FROM (
    SELECT c.name, c.id, json_build_object(
      'id', encode(convert_to('Cluster:' || c.id, 'UTF8'), 'base64'),
      'name', c.name,
      'version', c.version,
      'engine', json_build_object('name', c.engine),
      'engineVersion', c.engine_version,
      'status', c.status,
      'statusReason', c.status_reason,
      'instanceCount', c.instance_count,
      'createdAt', to_char(c.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'health', json_build_object('level', c.health_level, 'reasons', c.health_reasons),
      'instances', json_build_object('nodes', i.nodes)) AS node
    FROM cluster c
    CROSS JOIN LATERAL (
      SELECT json_agg(json_build_object(
        'id', encode(convert_to('Instance:' || id, 'UTF8'), 'base64'),
        'name', name,
        'role', role,
        'status', status,
        'address', address,
        'port', port,
        'observedAt', to_char(observed_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'storageUsedBytes', observation ->> 'storageUsedBytes',
        'connections', observation -> 'connections',
        'replication', CASE WHEN observation ->> 'replication' IS NOT NULL THEN json_build_object(
          'state', observation #> '{replication,state}',
          'lagBytes', observation #>> '{replication,lagBytes}',
          'lagSeconds', observation #> '{replication,lagSeconds}') END,
        'engineInfo', json_build_object(
          'version', observation #> '{engine,version}',
          'inRecovery', observation #> '{engine,inRecovery}',
          'currentLsn', observation #> '{engine,currentLsn}',
          'databaseSizeBytes', observation #>> '{engine,databaseSizeBytes}')) ORDER BY name, id) AS nodes
      FROM instance WHERE cluster_id = c.id AND removed_at IS NULL
    ) i
    WHERE c.project_id = $1 AND c.deleted_at IS NULL
    ORDER BY c.name, c.id
    LIMIT $2
  ) page`;

const pool = new Pool({ connectionString: url, max: 10, options: '-c TimeZone=UTC' });

const server = createServer(async (request, response) => {
  request.resume();
  const { rows } = await pool.query<{ body: string }>({ name: 'page', text: page, values: [projectId, 50] });
  response.writeHead(200, { 'content-type': 'application/json' }).end(rows[0]?.body);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
