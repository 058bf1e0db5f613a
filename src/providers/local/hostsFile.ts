import { join } from 'node:path';
import { replaceFile } from '#lib/files/replaceFile.ts';
import { listNames, readJson, readText } from './files.ts';
import { isId, type Layout } from './layout.ts';
import type { RecordedPlace } from './places.ts';

const heading = '# Names of the instances. Written by Grove; changes are lost.\n';

/** Writes the names of all instances in the hosts-file format, from the instances' own records: right whatever came before. */
export async function writeHostsFile(layout: Layout): Promise<void> {
  const places = await recordedPlaces(layout);
  const lines = places
    .map(({ address, dnsName, shortName }) => `${address} ${dnsName} ${shortName}\n`)
    .toSorted((a, b) => (a < b ? -1 : 1));
  const text = heading + lines.join('');
  if ((await readText(layout.hostsFile)) !== text) await replaceFile(layout.hostsFile, text, { mode: 0o644 });
}

async function recordedPlaces({ clusters, instance }: Layout): Promise<RecordedPlace[]> {
  const clusterIds = (await listNames(clusters)).filter(isId);
  const perCluster = clusterIds.map(async (clusterId) => {
    const instanceIds = (await listNames(join(clusters, clusterId))).filter(isId);
    const files = instanceIds.map((instanceId) => instance({ clusterId, instanceId }).placeFile);
    return Promise.all(files.map((file) => readJson<RecordedPlace>(file)));
  });
  return (await Promise.all(perCluster)).flat().filter((place) => place !== null);
}
