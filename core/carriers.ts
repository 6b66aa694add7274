/** What log and mirror are asked for by the decisions of the one writer (work.ts), carried out on Kafka and Redis. */
import type { Logger } from 'pino';
import type { UnifyPosition } from '../schemas/types.ts';
import type { Codec } from './codec.ts';
import { TributaryError } from './errors.ts';
import type { KafkaAccess } from './kafka.ts';
import type { Mirror } from './mirror.ts';
import { positionKey } from './repair.ts';
import type { Performer } from './work.ts';

interface CarrierOptions {
  readonly kafka: KafkaAccess;
  readonly codec: Codec;
  readonly mirror: Mirror;
  readonly clock: () => number;
  readonly log: Logger;
}

type Carried =
  | 'founding'
  | 'bounds'
  | 'position'
  | 'log'
  | 'head'
  | 'read'
  | 'scan'
  | 'swap'
  | 'schemas'
  | 'repairing'
  | 'repaired';

export function carriersOf({ kafka, codec, mirror, clock, log }: CarrierOptions): Pick<Performer<Buffer>, Carried> {
  return {
    founding: async () => {
      const [changes] = await kafka.offsets('changes');
      return { offset: changes?.earliest ?? 0, time: 0, lineage: clock(), transaction: 0 };
    },
    bounds: async () => {
      const [only] = await kafka.offsets('unify.state');
      if (only === undefined) throw new TributaryError('KAFKA_UNAVAILABLE', 'unify.state has no partition');
      return only;
    },
    position: async ({ from, to }) => {
      let last: Buffer | null = null;
      await kafka.read('unify.state', 0, from, to, (records) => {
        // Copied: it would keep its whole block while others are read.
        for (const { key, value } of records) if (isPosition(key) && value !== null) last = Buffer.from(value);
      });
      return await positionIn(codec, last);
    },
    log: async ({ from, to }) => {
      const entries = new Map<string, Buffer | null>();
      let last: Buffer | null = null;
      let next = to;
      await kafka.read('unify.state', 0, from, to, (records) => {
        for (const { key, value, offset } of records) {
          if (isPosition(key)) last = value ?? last;
          else entries.set(key?.toString() ?? '', value);
          next = offset + 1;
        }
        return 'enough';
      });
      return { entries, position: await positionIn(codec, last), next };
    },
    head: () => mirror.head(),
    read: ({ keys }) => mirror.read(keys),
    scan: ({ cursor }) => mirror.scan(cursor),
    swap: ({ swap }) => mirror.swap(swap),
    schemas: ({ values }) => codec.prepare(values),
    repairing: ({ from, to, because }) => log.info({ from, to, wipeBecause: because }, 'repairing the mirror'),
    repaired: ({ at, steps }) => log.info({ at, steps }, 'the mirror is repaired'),
  };
}

const isPosition = (key: Buffer | null): boolean => key?.toString() === positionKey;

async function positionIn(codec: Codec, bytes: Buffer | null): Promise<UnifyPosition | undefined> {
  if (bytes === null) return undefined;
  await codec.prepare([bytes]);
  const { schema, value } = codec.decode(bytes);
  if (schema !== 'UnifyPosition') {
    throw new TributaryError('PAYLOAD_UNDECODABLE', `the position in unify.state is a ${schema}`);
  }
  return value as UnifyPosition;
}
