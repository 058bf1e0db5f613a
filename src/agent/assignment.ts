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

/** Where the control plane's end of the agents' wire is now. */
export async function readControlUrl({ controlUrlFile }: AgentAssignment): Promise<string> {
  const base = (await readFile(controlUrlFile, 'utf8')).trim();
  return `${base.replace(/\/+$/, '')}${agentPath}`;
}
