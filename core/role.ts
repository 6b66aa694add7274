/**
 * The contract between the composition root (cli/run.ts) and everything that runs: a role is a loop that settles
 * when it has drained. `tributary run <role>` runs one, `tributary run all` runs them in one process.
 */
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { KafkaAccess } from './kafka.ts';
import type { RegistryCodec } from './registry.ts';

export interface RoleContext {
  readonly config: Config;
  /** Child logger of the role. */
  readonly log: Logger;
  readonly kafka: KafkaAccess;
  readonly codec: RegistryCodec;
  readonly redis: Redis;
  /** Aborted on SIGTERM or Ctrl-C: stop taking in, finish what is in hand, return. */
  readonly signal: AbortSignal;
  /** Readiness of this role; `why` is shown on /readyz and in the log when it changes. */
  readonly ready: (state: boolean, why: string) => void;
}

/** What it takes to call a platform within its budget. */
export type CallContext = Pick<RoleContext, 'config' | 'redis'> & { readonly kafka: Pick<KafkaAccess, 'prefix'> };

export interface Role {
  /** Settles after the signal and a drain. A rejection ends the process with the error's exit code. */
  run(context: RoleContext): Promise<void>;
}
