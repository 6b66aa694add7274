/** Makes schemas/topics.ts true on a cluster and a registry. Running it again changes nothing. */
import { type TopicName, type TopicSpec, topics } from '../schemas/topics.ts';
import { TributaryError } from './errors.ts';
import { type KafkaAccess, limits, type TopicState } from './kafka.ts';
import type { RegistryAdmin } from './registry.ts';

export interface TopicReport {
  readonly topic: TopicName;
  /** What was done, for people. */
  readonly did: string;
}

/** The whole set each time: kafkajs speaks the old call, which puts every setting not named back to its default. */
export function wantedConfig(spec: TopicSpec, replication: number): Readonly<Record<string, string>> {
  const kept =
    spec.cleanup === 'compact'
      ? { 'delete.retention.ms': String(spec.keepMs) }
      : { 'retention.ms': String(spec.keepMs) };
  return {
    'cleanup.policy': spec.cleanup,
    ...kept,
    'max.message.bytes': String(limits.maxMessageBytes),
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': String(Math.max(1, replication - 1)),
  };
}

export type TopicPlan =
  | { readonly do: 'create'; readonly wanted: TopicState }
  | { readonly do: 'configure'; readonly config: Readonly<Record<string, string>>; readonly changes: readonly string[] }
  | { readonly do: 'nothing' }
  | { readonly do: 'refuse'; readonly why: string };

export function planTopic(spec: TopicSpec, found: TopicState | undefined, replication: number): TopicPlan {
  const wanted = { partitions: spec.partitions, replication, config: wantedConfig(spec, replication) };
  if (found === undefined) return { do: 'create', wanted };
  if (found.partitions !== spec.partitions) {
    const why = `has ${found.partitions} partitions, ${spec.partitions} are wanted; another count would move keys`;
    return { do: 'refuse', why };
  }
  // The replicas there are decide how many must be in step: asking for more than exist would stop every write.
  const config = wantedConfig(spec, found.replication);
  const changes = differences(config, found.config);
  return changes.length === 0 ? { do: 'nothing' } : { do: 'configure', config, changes };
}

function differences(
  wanted: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => found[name] !== value)
    .map(([name, value]) => `${name} ${found[name] ?? 'unset'} → ${value}`);
}

/** @throws TributaryError TOPICS_DIFFER, naming everything that cannot be changed, before anything is changed */
export async function applyTopics(
  kafka: KafkaAccess,
  registry: RegistryAdmin,
  { replication }: { readonly replication: number },
): Promise<readonly TopicReport[]> {
  const names = Object.keys(topics) as TopicName[];
  const found = await kafka.admin.describe(names);
  const plans = names.map((topic) => ({ topic, plan: planTopic(topics[topic], found.get(topic), replication) }));
  const refused = plans.flatMap(({ topic, plan }) => (plan.do === 'refuse' ? [`${topic} ${plan.why}`] : []));
  if (refused.length > 0) throw new TributaryError('TOPICS_DIFFER', refused.join('; '));

  const [, registered] = await Promise.all([makeTrue(kafka, plans), registerAll(registry, names)]);
  return plans.map(({ topic, plan }) => {
    const did: string[] = [];
    if (plan.do === 'create') did.push('created');
    if (plan.do === 'configure') did.push(`corrected ${plan.changes.join(', ')}`);
    const schemas = registered.get(topic) ?? [];
    if (schemas.length > 0) did.push(`registered ${schemas.join(', ')}`);
    return { topic, did: did.length === 0 ? 'as wanted' : did.join('; ') };
  });
}

interface Planned {
  readonly topic: TopicName;
  readonly plan: TopicPlan;
}

/** All in one call of each kind: on a busy machine a call for each topic takes most of a first start. */
async function makeTrue(kafka: KafkaAccess, plans: readonly Planned[]): Promise<void> {
  const created = new Map<TopicName, TopicState>();
  const configured = new Map<TopicName, TopicState['config']>();
  for (const { topic, plan } of plans) {
    if (plan.do === 'create') created.set(topic, plan.wanted);
    if (plan.do === 'configure') configured.set(topic, plan.config);
  }
  if (created.size > 0) await kafka.admin.create(created);
  if (configured.size > 0) await kafka.admin.configure(configured);
  if (created.size + configured.size > 0) await assertApplied(kafka, [...created.keys(), ...configured.keys()]);
}

/** Some at a time: each call has a deadline, and the last of many asked at once would wait behind all others. */
const registrationsAtOnce = 4;

async function registerAll(
  registry: RegistryAdmin,
  names: readonly TopicName[],
): Promise<ReadonlyMap<TopicName, readonly string[]>> {
  const made = new Map<TopicName, readonly string[]>();
  const left = names.values();
  const work = async (): Promise<void> => {
    for (const topic of left) made.set(topic, await registry.registerTopic(topic));
  };
  await Promise.all(Array.from({ length: registrationsAtOnce }, work));
  return made;
}

/** Read back: a broker's policy or an old client call may have made something else of it. */
async function assertApplied({ admin }: KafkaAccess, names: readonly TopicName[]): Promise<void> {
  const found = await admin.describe(names);
  for (const topic of names) {
    const state = found.get(topic);
    if (state === undefined)
      throw new TributaryError('KAFKA_UNAVAILABLE', `${topic} is not there yet after its creation`);
    const left = differences(wantedConfig(topics[topic], state.replication), state.config);
    if (left.length > 0) throw new TributaryError('TOPICS_DIFFER', `${topic} did not take ${left.join(', ')}`);
  }
}
