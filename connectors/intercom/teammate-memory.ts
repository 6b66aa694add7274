/**
 * What each teammate was told as last, so that who did not change is not told again. A memory and not the truth: where
 * Redis forgot it everybody is told once more, which changes nothing.
 */
import type { Redis } from 'ioredis';
import { asking } from '../../core/redis.ts';
import type { RawRecord } from '../../schemas/types.ts';
import { hashOf } from './teammates.ts';

export class TeammateMemory {
  readonly #redis: Redis;
  readonly #key: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#key = `${prefix}directory:intercom:admin`;
  }

  told(): Promise<Readonly<Record<string, string>>> {
    return asking(() => this.#redis.hgetall(this.#key));
  }

  /** Once Kafka has them: a crash in between tells them twice, never not at all. */
  async keep(records: readonly RawRecord[]): Promise<void> {
    const left = records.filter(({ deleted }) => deleted).map(({ recordId }) => recordId);
    const here = records.filter(({ deleted }) => !deleted);
    if (left.length > 0) await asking(() => this.#redis.hdel(this.#key, ...left));
    if (here.length === 0) return;
    const hashes = Object.fromEntries(here.map(({ recordId, body }) => [recordId, hashOf(body)]));
    await asking(() => this.#redis.hset(this.#key, hashes));
  }
}
