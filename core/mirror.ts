/**
 * unify's state in Redis: a copy of what unify.state says up to a position, so that any pod goes on at once. The log is
 * the truth; the mirror may be behind it, rolled back by a failover, or gone, and must only never be believed then.
 * Therefore the position stands in the same slot as the values, is read with them and moves with them in one script.
 * What is decided about it stands in mirror-state.ts and repair.ts.
 */
import type { Redis } from 'ioredis';
import type { ChunkLimits, MirrorHead, Swap } from './mirror-state.ts';
import { pack, unpack } from './pack.ts';
import { asking } from './redis.ts';

/** Scripts block every other client: 200 values take about a millisecond. */
export const chunkLimits: ChunkLimits = { keys: 500, bytes: 1024 * 1024 };

/** compareAndSet of mirror-state.ts, for Redis. */
const swapScript = `
local at = redis.call('GET', KEYS[1]) or ''
if at ~= ARGV[1] then return at end
local puts = tonumber(ARGV[4])
for i = 1, puts do redis.call('SET', KEYS[2 + i], ARGV[4 + i]) end
for i = 3 + puts, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3]) end
return ARGV[2]`;

export class Mirror {
  readonly #redis: Redis;
  readonly #root: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#root = `${prefix}{unify}:`;
  }

  /**
   * Values and their position; an empty one when they are not all of one moment.
   * @throws TributaryError PAYLOAD_UNDECODABLE: a value is none that we wrote
   */
  async read(keys: readonly string[]): Promise<{ readonly position: string; readonly values: (Buffer | null)[] }> {
    const values: (Buffer | null)[] = [];
    let at: string | undefined;
    for (let i = 0; i < keys.length; i += chunkLimits.keys) {
      const chunk = keys.slice(i, i + chunkLimits.keys);
      const [position, ...found] = await asking(() =>
        this.#redis.mgetBuffer(this.#key('position'), ...chunk.map((key) => this.#key(key))),
      );
      const text = position?.toString() ?? '';
      at ??= text;
      if (at !== text) return { position: '', values: [] };
      for (const value of found) values.push(value && unpack(value));
    }
    return { position: at ?? '', values };
  }

  async head(): Promise<MirrorHead> {
    const [position, base] = await asking(() => this.#redis.mget(this.#key('position'), this.#key('base')));
    const [from, time] = (base ?? '').split('/').map(Number);
    const sound = from !== undefined && time !== undefined && Number.isSafeInteger(from) && Number.isSafeInteger(time);
    return { position: position ?? '', base: sound ? { from, time } : undefined };
  }

  /** One compare-and-set; returns the position afterwards. @throws TributaryError REDIS_UNAVAILABLE: it may stand */
  async swap({ expected, next, entries, base }: Swap<Buffer>): Promise<string> {
    const puts = [...entries].filter((entry): entry is [string, Buffer] => entry[1] !== null);
    const deletes = [...entries].filter(([, value]) => value === null);
    const keys = ['position', 'base', ...puts.map(([key]) => key), ...deletes.map(([key]) => key)];
    const at = await asking(() =>
      this.#redis.eval(
        swapScript,
        keys.length,
        ...keys.map((key) => this.#key(key)),
        expected,
        next,
        base === undefined ? '' : `${base.from}/${base.time}`,
        puts.length,
        ...puts.map(([, value]) => pack(value)),
      ),
    );
    return String(at);
  }

  /** Some state keys that Redis holds; a key may come twice. '' begins, and a cursor of '' is the end. */
  async scan(cursor: string): Promise<{ readonly cursor: string; readonly keys: readonly string[] }> {
    const pattern = `${this.#root.replace(/[\\*?[\]]/g, '\\$&')}*`;
    const from = cursor === '' ? '0' : cursor;
    const [next, found] = await asking(() => this.#redis.scan(from, 'MATCH', pattern, 'COUNT', chunkLimits.keys));
    const keys = found.map((key) => key.slice(this.#root.length)).filter((key) => key !== 'position' && key !== 'base');
    return { cursor: next === '0' ? '' : next, keys };
  }

  #key(stateKey: string): string {
    return this.#root + stateKey;
  }
}
