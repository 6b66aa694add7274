/**
 * unify's state for a command: what it asks is answered from the mirror, all of it at one moment. The mirror says at which
 * position it stands, and every answer that comes from another one makes the whole question be asked anew.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TributaryError } from '../core/errors.ts';
import { StateMiss } from '../core/fold.ts';
import { Mirror } from '../core/mirror.ts';
import { mustBe } from '../core/mirror-state.ts';
import { connectRedis } from '../core/redis.ts';
import { connectRegistry, type RegistryCodec } from '../core/registry.ts';
import { commandLog } from './output.ts';
import { settingsWithServers } from './settings.ts';

export interface ReadState {
  /** @throws StateMiss for a key that is not loaded yet; whoever asks is asked again. */
  get(key: string): object | undefined;
}

export interface StateOptions {
  readonly config?: string;
  readonly debug?: true;
}

/** A busy unify moves its mirror up to some 40 times a second; a repair of a large one takes longer than a person waits. */
const patience = { tries: 40, pauseMs: 50 } as const;

/**
 * @throws TributaryError REDIS_UNAVAILABLE, REGISTRY_UNAVAILABLE, MIRROR_MOVED (it is being repaired), and what the question
 * throws
 */
export async function askState<T>(options: StateOptions, question: (state: ReadState) => T): Promise<T> {
  const { redis: at, registry, prefix } = await settingsWithServers(options, ['registry.url', 'redis.url']);
  const log = commandLog(options.debug === true);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const redis = connectRedis({ url: at.url, log });
  try {
    await connected(redis);
    const codec = await connectRegistry({ url: registry.url, prefix, log, signal: stop.signal });
    return await askMirror(new Mirror(redis, prefix), codec, question, stop.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    redis.disconnect();
  }
}

/** Settles when the first try to connect has: what is asked then says how it went. */
export const connected = (redis: ReturnType<typeof connectRedis>): Promise<void> =>
  new Promise((resolve) => {
    redis.once('ready', () => resolve());
    redis.once('error', () => resolve());
  });

type Decoding = Pick<RegistryCodec, 'decode' | 'prepare'>;

/** Again while the mirror moves. @throws as `askState` */
export async function askMirror<T>(
  mirror: Mirror,
  codec: Decoding,
  question: (state: ReadState) => T,
  signal: AbortSignal,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await tryMirror(mirror, codec, question);
    } catch (error) {
      const moved = error instanceof TributaryError && error.code === 'MIRROR_MOVED';
      if (!moved || tries >= patience.tries || signal.aborted) throw error;
      await sleep(patience.pauseMs);
    }
  }
}

/** One try, at the position where the mirror stands. @throws TributaryError MIRROR_MOVED */
async function tryMirror<T>(mirror: Mirror, codec: Decoding, question: (state: ReadState) => T): Promise<T> {
  const { position } = await mirror.head();
  if (position === '' || position.startsWith('rebuild:')) {
    const why = position === '' ? 'the mirror is empty: unify has not begun' : 'the mirror is being repaired';
    throw new TributaryError('MIRROR_MOVED', why);
  }
  const known = new Map<string, object | undefined>();
  const state: ReadState = {
    get: (key) => {
      if (!known.has(key)) throw new StateMiss([key]);
      return known.get(key);
    },
  };
  for (;;) {
    try {
      return question(state);
    } catch (error) {
      if (!(error instanceof StateMiss)) throw error;
      const { position: at, values } = await mirror.read(error.keys);
      mustBe(position, at);
      await codec.prepare(values);
      for (const [i, key] of error.keys.entries()) {
        const bytes = values[i] ?? null;
        known.set(key, bytes === null ? undefined : codec.decode(bytes).value);
      }
    }
  }
}
