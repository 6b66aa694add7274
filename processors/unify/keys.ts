/**
 * State keys. The prefix up to the first colon names the record schema of the value (schemas/topics.ts stateSchemas).
 * No value exceeds 64 kB: sets are spread over slots, queues over segments.
 */
import { partitionOf, topics } from '../../schemas/topics.ts';

export const commandPartitions = {
  salesforce: topics['salesforce.commands'].partitions,
  intercom: topics['intercom.commands'].partitions,
} as const;
const openSlots = 16;

export const refKey = (ref: string): string => `ref:${ref}`;
export const entityKey = (id: string): string => `ent:${id}`;
/** Set of the customers that claim an email. */
export const claimsOf = (email: string): string => `email:${email.trim().toLowerCase()}`;
/** Set of who asked for an email and has not got it, perhaps because another record has it: refs, and `+<entity id>` for creates. */
export const blockedBy = (email: string): string => `blocked:${email.trim().toLowerCase()}`;
/** Refs that were merged or converted into this one before it was seen. */
export const arrivalsOf = (ref: string): string => `idx:into:${ref}`;
/** Directory entries (User, admin) by email. */
export const directoryKey = (email: string): string => `idx:directory:${email.trim().toLowerCase()}`;
export const setKey = (set: string, slot: number): string => `idx:set:${set}:${slot}`;
/** Every tick asks for all of these, and a text made anew is hashed anew when it is looked up: each is made once. */
const perPartition = (name: (platform: string, partition: number) => string): typeof name => {
  const made: Record<string, string[]> = {};
  return (platform, partition) => ((made[platform] ??= [])[partition] ??= name(platform, partition));
};
export const partitionKey = perPartition((platform, partition) => `cur:part:${platform}:${partition}`);
export const openKey = (platform: string, partition: number, slot: number): string =>
  `idx:open:${platform}:${partition}:${slot}`;
export const openSlotOf = (item: string): number => partitionOf(item, openSlots);
export const openSlotCount = openSlots;
const queueKeys = {
  urgent: perPartition((platform, partition) => `cur:queue:${platform}:${partition}:urgent`),
  live: perPartition((platform, partition) => `cur:queue:${platform}:${partition}:live`),
  bulk: perPartition((platform, partition) => `cur:queue:${platform}:${partition}:bulk`),
} as const;
export const queueKey = (platform: string, partition: number, lane: keyof typeof queueKeys): string =>
  queueKeys[lane](platform, partition);
export const queueSegmentKey = (platform: string, partition: number, lane: string, segment: number): string =>
  `idx:queue:${platform}:${partition}:${lane}:${segment}`;
export const marksKey = 'cur:marks';
export const gatesKey = 'cur:gates';
export const timersKey = (kind: 'gate' | 'echo'): string => (kind === 'gate' ? gatesKey : 'cur:echoes');
/** Buckets are named by the source second in which their timers fire. */
export const timerSegmentKey = (kind: 'gate' | 'echo', second: number, segment: number): string =>
  `idx:${kind}:${second}:${segment}`;
export const jobsKey = 'cur:jobs';
export const jobSegmentKey = (segment: number): string => `idx:jobs:${segment}`;
export const jobKey = (id: string): string => `job:${id}`;
export const configKey = 'cur:config';
/** Ids of the operator's last actions: one that comes again does nothing. */
export const actionsKey = 'idx:actions';

/** Set of those that have, or had, a frozen field: for people who ask which. */
export const frozenOnes = 'frozen';
/** Members of an account; things owned by a user. */
export const membersOf = (accountId: string): string => `members:${accountId}`;
export const ownedBy = (ref: string): string => `owned:${ref}`;
/** Those whose link names a record, or a directory entry, that was not known. */
export const waitingFor = (name: string): string => `waiting:${name}`;
/** Records of others that still carry the id of a customer or account, from which they were taken. */
export const carriersOf = (id: string): string => `idx:carriers:${id}`;
/** Accounts that a customer left and whose company may still be attached to them. */
export const leftBy = (id: string): string => `idx:left:${id}`;
/** Every entity that was ever told of, in that order. */
export const rosterKey = 'cur:roster';
export const rosterSegmentKey = (segment: number): string => `idx:roster:${segment}`;

export interface RefParts {
  readonly platform: 'salesforce' | 'intercom';
  readonly object: string;
  readonly id: string;
}

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345';

/**
 * A Salesforce id as the platform's interfaces spell it. People copy the 15 characters of reports and addresses, in which
 * case counts; the three that follow say for each five which letters are capital. Anything else stays as it is.
 */
export function wideId(id: string): string {
  if (!/^[A-Za-z0-9]{15}$/.test(id)) return id;
  const suffix = [0, 5, 10].map((from) => {
    const capitals = Array.from(id.slice(from, from + 5), (char, bit) => (char < 'A' || char > 'Z' ? 0 : 1 << bit));
    return base32[capitals.reduce((sum, bit) => sum + bit, 0)];
  });
  return id + suffix.join('');
}

/** Is it spelled as a ref? */
export const isRef = (text: string): boolean => /^(?:salesforce|intercom):[^:]+:./.test(text);

/** salesforce:Contact:003… → its parts. */
export function parseRef(ref: string): RefParts {
  const first = ref.indexOf(':');
  const second = ref.indexOf(':', first + 1);
  const platform = ref.slice(0, first);
  if (second < 0 || (platform !== 'salesforce' && platform !== 'intercom')) throw new Error(`not a ref: ${ref}`);
  return { platform, object: ref.slice(first + 1, second), id: ref.slice(second + 1) };
}
