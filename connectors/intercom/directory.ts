/**
 * Intercom's source: for now the teammates, who own contacts. Intercom sends no webhook for a changed teammate, so they
 * are polled; who did not change is not told again while one connector holds the lease. The next one begins by telling
 * everybody: what Redis remembers as told may have been told to topics that were made anew since, and a pipeline that
 * knows no teammates takes the owner from every contact.
 *
 * It says when the directory was read whole (`snapshotComplete`, detail `admin`) and no more: a `mark` would say that
 * every change of a contact up to then is in the topic, which nobody can vouch for before webhooks are received here.
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireSettings } from '../../core/config.ts';
import type { OutRecord, SafeProducer } from '../../core/kafka.ts';
import { holdLease } from '../../core/lease.ts';
import { patiently } from '../../core/patience.ts';
import { orgHeader } from '../../core/pin.ts';
import { asking } from '../../core/redis.ts';
import type { Role, RoleContext } from '../../core/role.ts';
import type { RawRecord, SourceMark } from '../../schemas/types.ts';
import { askIntercom, type IntercomAccess, identifyWorkspace, openIntercom } from './client.ts';
import { teammatesIn } from './teammates.ts';

const pollMs = 600_000;
const lookMs = 5_000;
const leaseTermMs = 15_000;

export class Directory {
  readonly #context: RoleContext;
  readonly #access: IntercomAccess;
  readonly #producer: SafeProducer;
  readonly #workspace: string;
  readonly #key: string;

  constructor(context: RoleContext, access: IntercomAccess, producer: SafeProducer, workspace: string) {
    this.#context = context;
    this.#access = access;
    this.#producer = producer;
    this.#workspace = workspace;
    this.#key = `${context.kafka.prefix}directory:intercom:admin`;
  }

  /** One poll: whoever is new or changed, whoever left; at the first one everybody, and that the directory is whole. */
  async poll(signal: AbortSignal, first: boolean): Promise<void> {
    const { redis } = this.#context;
    const told = await askIntercom(this.#access, { lane: 'live', holder: null, signal }, { kind: 'listAdmins' });
    const now = teammatesIn(told.body);
    // A memory, not the truth. Telling somebody again changes nothing.
    const before = await asking(() => redis.hgetall(this.#key));
    const changed = now.filter(({ id, hash }) => first || before[id] !== hash);
    const left = Object.keys(before).filter((id) => !now.some((one) => one.id === id));
    const records = [
      ...changed.map(({ id, body }) => this.#raw(id, told.time, body, false)),
      ...left.map((id) => this.#raw(id, told.time, Buffer.alloc(0), true)),
      ...(first ? [this.#complete(told.time)] : []),
    ];
    signal.throwIfAborted();
    if (records.length > 0) await this.#producer.send(records);
    // After Kafka has them: a crash in between tells them twice, never not at all.
    if (left.length > 0) await asking(() => redis.hdel(this.#key, ...left));
    if (changed.length > 0)
      await asking(() => redis.hset(this.#key, Object.fromEntries(changed.map(({ id, hash }) => [id, hash]))));
  }

  #raw(recordId: string, takenAt: number, body: Buffer, deleted: boolean): OutRecord {
    const value: RawRecord = {
      platform: 'intercom',
      reason: 'poll',
      object: 'admin',
      recordId,
      deleted,
      takenAt,
      body,
    };
    return this.#out(`admin:${recordId}`, 'RawRecord', value);
  }

  #complete(upTo: number): OutRecord {
    const value: SourceMark = { platform: 'intercom', kind: 'snapshotComplete', upTo, detail: 'admin' };
    return this.#out('mark', 'SourceMark', value);
  }

  #out(key: string, schema: string, value: object): OutRecord {
    return {
      topic: 'intercom.raw',
      key,
      value: this.#context.codec.encode('intercom.raw', schema, value),
      headers: { [orgHeader]: this.#workspace },
    };
  }
}

/**
 * Until the next poll. Redis is asked by the lease meanwhile, Kafka by nobody: without a look at it now and then the role
 * would be called ready through a whole outage.
 */
async function idle(kafka: RoleContext['kafka'], signal: AbortSignal, ready: RoleContext['ready']): Promise<void> {
  for (const until = performance.now() + pollMs; performance.now() < until; ) {
    await patiently({ signal, ready }, () => kafka.offsets('intercom.raw'));
    ready(true, 'polling');
    await sleep(lookMs, undefined, { signal });
  }
}

export const intercomConnector: Role = {
  name: 'connect-intercom',
  summary: 'Brings what Intercom says: its teammates',
  async run(context) {
    const { config, redis, kafka, log, signal, ready } = context;
    requireSettings(config, ['intercom.baseUrl', 'intercom.token']);
    const { access } = openIntercom(context);
    try {
      const workspace = await patiently(context, () => identifyWorkspace(context, access));
      const producer = await kafka.producer(signal);
      try {
        while (!signal.aborted) {
          const lease = await holdLease({
            redis,
            key: `${kafka.prefix}lease:connect-intercom`,
            owner: hostname(),
            termMs: leaseTermMs,
            signal,
            log,
            ready,
          });
          const ours = AbortSignal.any([signal, lease.signal]);
          const directory = new Directory(context, access, producer, workspace);
          try {
            for (let first = true; !ours.aborted; first = false) {
              await patiently({ signal: ours, ready }, () => directory.poll(ours, first));
              await idle(kafka, ours, ready);
            }
          } catch (error) {
            // The lease is lost: another pod polls now, and we wait for it again.
            if (!ours.aborted) throw error;
          } finally {
            await lease.release();
          }
        }
      } finally {
        await producer.close();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await access.close();
    }
  },
};
