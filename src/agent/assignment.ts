import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentAssignment, agentAssignmentFile, agentPath } from './protocol.ts';

/** Reads what the provider tells this agent. */
export async function readAssignment(directory: string): Promise<AgentAssignment> {
  const path = join(directory, agentAssignmentFile);
  try {
    return JSON.parse(await readFile(path, 'utf8')) as AgentAssignment;
  } catch (error) {
    throw new Error(`The agent cannot read its assignment ${path}. A provider writes it before it starts the agent.`, {
      cause: error,
    });
  }
}

/** Where the control plane's end of the agents' wire is now: a line for each of its processes. */
export async function readControlUrls({ controlUrlFile }: AgentAssignment): Promise<string[]> {
  const bases = (await readFile(controlUrlFile, 'utf8')).trim().split('\n');
  return bases.map((base) => `${base.replace(/\/+$/, '')}${agentPath}`);
}
