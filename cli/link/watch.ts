/** `tributary link`: watches the link that the running roles make, from Kafka and Redis alone, until nothing waits. */
import type { Config } from '../../core/config.ts';
import { TributaryError } from '../../core/errors.ts';
import { Mirror } from '../../core/mirror.ts';
import { delay } from '../../core/patience.ts';
import { connectRedis } from '../../core/redis.ts';
import type { JournalEntry } from '../../schemas/types.ts';
import { commandLog, json, say } from '../output.ts';
import { type ServerOptions, type Servers, withServers } from '../servers.ts';
import { settingsWithServers } from '../settings.ts';
import { askMirror, connected } from '../state.ts';
import { lagsIn, leftIn, unifyStatus } from '../status.ts';
import { isLinked, type Look, type Needed, progressLine, secondsLeft, Tallying, tallyText } from './progress.ts';

const lookMs = 2_000;
/** Looks that the pace is taken from. */
const looksKept = 30;

export interface WatchOptions extends ServerOptions {
  readonly json?: true;
}

/** False when the signal ended it. */
export async function watch(options: WatchOptions): Promise<boolean> {
  const config = await settingsWithServers(options, ['redis.url']);
  const needed = neededIn(config);
  const redis = connectRedis({ url: config.redis.url, log: commandLog(options.debug === true) });
  try {
    await connected(redis);
    return await withServers(options, async (servers) => {
      const { kafka, codec, signal } = servers;
      const mirror = new Mirror(redis, config.prefix);
      const journal = new Journal(servers);
      const looks: Look[] = [];
      for (let still = 0; !signal.aborted; await delay(lookMs, signal)) {
        try {
          const unify = await askMirror(mirror, codec, unifyStatus, signal);
          await journal.hear();
          const [lags, left] = [await lagsIn(kafka), await leftIn({ config, redis, kafka })];
          const [read, asked] = [await recordsIn(servers), await askedIn(servers)];
          looks.push({ ...unify, at: performance.now(), lags, left, read, asked });
          looks.splice(0, looks.length - looksKept);
        } catch (error) {
          // Roles that are not up yet, or a server that is away for a while: the link goes on without whoever watches.
          if (signal.aborted) return false;
          const ours = TributaryError.from(error);
          if (ours.verdict !== 'retry') throw ours;
          process.stderr.write(`waiting: ${ours.message}\n`);
          continue;
        }
        const look = looks.at(-1);
        if (look === undefined) continue;
        tell(options, looks, needed, journal.tally);
        // Figures of one moment are not taken at one instant: it holds twice.
        still = isLinked(look, needed) ? still + 1 : 0;
        if (still < 2) continue;
        if (!options.json) say(`linked: ${tallyText(journal.tally)}; nothing waits`);
        return true;
      }
      return false;
    });
  } finally {
    redis.disconnect();
  }
}

/** Where Intercom is not captured its people are not read, only its teammates. */
function neededIn({ capture, snapshot }: Config): Needed {
  return {
    salesforce: capture.salesforce ? [snapshot.objects.join(',')] : [],
    intercom: ['admin', ...(capture.intercom ? ['company', 'contact'] : [])],
  };
}

function tell({ json: asJson }: WatchOptions, looks: readonly Look[], needed: Needed, tally: Tallying): void {
  const look = looks.at(-1);
  if (!asJson) return say(progressLine(looks, needed, tally));
  const { matched, created, ambiguous } = tally;
  const counts = {
    matched: { people: matched.people.size, companies: matched.companies.size },
    created: { people: created.people.size, companies: created.companies.size },
    ambiguous: ambiguous.size,
  };
  say(json({ ...look, ...counts, secondsLeft: secondsLeft(looks, needed) ?? null }));
}

/** The journal from its beginning on, as far as it has come. */
class Journal {
  readonly tally = new Tallying();
  readonly #servers: Servers;
  readonly #next = new Map<number, number>();

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  async hear(): Promise<void> {
    const { kafka, codec } = this.#servers;
    for (const { partition, earliest, latest } of await kafka.offsets('journal')) {
      const from = Math.max(earliest, this.#next.get(partition) ?? 0);
      await kafka.read('journal', partition, from, latest, async (records) => {
        await codec.prepare(records.map(({ value }) => value));
        for (const { value } of records) if (value !== null) this.tally.hear(codec.decode(value).value as JournalEntry);
      });
      this.#next.set(partition, latest);
    }
  }
}

async function recordsIn({ kafka }: Servers): Promise<Look['read']> {
  const count = async (topic: 'salesforce.raw' | 'intercom.raw'): Promise<number> =>
    (await kafka.offsets(topic)).reduce((sum, { earliest, latest }) => sum + latest - earliest, 0);
  return { salesforce: await count('salesforce.raw'), intercom: await count('intercom.raw') };
}

async function askedIn({ kafka }: Servers): Promise<number> {
  const ends = [...(await kafka.offsets('salesforce.commands')), ...(await kafka.offsets('intercom.commands'))];
  return ends.reduce((sum, { latest }) => sum + latest, 0);
}
