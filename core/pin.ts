/**
 * One deployment is one org and one workspace: refs carry no org, so records of another one would be taken for our own.
 * The first id met is kept in Redis; and because Redis may be emptied at any time, connectors also write it beside what
 * they bring (header `org` of every raw record), where it is found again.
 */
import type { Redis } from 'ioredis';
import { TributaryError } from './errors.ts';
import { doing } from './faults.ts';
import type { KafkaAccess } from './kafka.ts';
import { asking } from './redis.ts';

export const orgHeader = 'org';

/** @throws TributaryError PLATFORM_OTHER_ORG */
export async function pinPlatform(options: {
  readonly redis: Redis;
  readonly kafka: KafkaAccess;
  readonly platform: 'salesforce' | 'intercom';
  /** Who the credentials lead to. */
  readonly id: string;
  /** As configured; null: the first one met. */
  readonly configured: string | null;
}): Promise<void> {
  const { redis, kafka, platform, id, configured } = options;
  const key = pinKey(kafka.prefix, platform);
  refuseOther(platform, id, configured, (await asking(() => redis.get(key))) ?? (await pinnedInRaw(kafka, platform)));
  await doing('pin', () => asking(() => redis.set(key, id, 'NX')));
}

/** The same for a look that pins nothing and knows only Redis. @throws TributaryError PLATFORM_OTHER_ORG */
export async function checkPin(options: {
  readonly redis: Redis;
  readonly prefix: string;
  readonly platform: 'salesforce' | 'intercom';
  readonly id: string;
  readonly configured: string | null;
}): Promise<void> {
  const { redis, prefix, platform, id, configured } = options;
  refuseOther(platform, id, configured, (await asking(() => redis.get(pinKey(prefix, platform)))) ?? undefined);
}

const pinKey = (prefix: string, platform: string): string => `${prefix}pin:${platform}`;

function refuseOther(
  platform: 'salesforce' | 'intercom',
  id: string,
  configured: string | null,
  kept: string | undefined,
): void {
  const pinned = configured ?? kept ?? id;
  if (pinned !== id || (kept ?? id) !== id)
    throw new TributaryError(
      'PLATFORM_OTHER_ORG',
      `${platform}: the credentials lead to ${id}, pinned is ${pinned === id ? kept : pinned}`,
      {
        field: platform === 'salesforce' ? 'salesforce.orgId' : 'intercom.workspaceId',
      },
    );
}

/** Of whom the raw topic is; undefined: nothing was brought yet. */
export async function pinnedInRaw(
  kafka: Pick<KafkaAccess, 'offsets' | 'read'>,
  platform: 'salesforce' | 'intercom',
): Promise<string | undefined> {
  const topic = `${platform}.raw` as const;
  const [range] = await kafka.offsets(topic);
  if (range === undefined || range.latest <= range.earliest) return undefined;
  let found: string | undefined;
  await kafka.read(topic, 0, Math.max(range.earliest, range.latest - 100), range.latest, (records) => {
    for (const { headers } of records) found = headers[orgHeader]?.toString() ?? found;
  });
  return found;
}
