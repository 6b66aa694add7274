/** `changes` in memory, and the way there: raw topics that decode reads in order, at least once. */
import type { FoldRecord } from '../../core/fold.ts';
import type { Change } from '../../schemas/types.ts';
import type { Clock } from './clock.ts';
import type { Chance } from './random.ts';
import { short, type Trace } from './trace.ts';

export class ChangesLog {
  readonly records: FoldRecord[] = [];
  /** When anything but a heartbeat was appended last. */
  toldAt: number;
  readonly #clock: Clock;
  readonly #trace: Trace;
  #listener: (background: boolean) => void = () => undefined;

  constructor(clock: Clock, trace: Trace) {
    this.#clock = clock;
    this.#trace = trace;
    this.toldAt = clock.now;
  }

  onAppend(listener: (background: boolean) => void): void {
    this.#listener = listener;
  }

  append(change: Change, key: string, background = isHeartbeat(change)): void {
    this.records.push({ offset: this.records.length, time: this.#clock.now, key, lineage: 1, change });
    if (!background) this.toldAt = this.#clock.now;
    if (this.#trace.on) this.#trace.say('changes', key, `${this.records.length - 1} ${describe(change)}`);
    this.#listener(background);
  }
}

/** Of these there is no end. */
const isHeartbeat = ({ kind, epoch, mark }: Change): boolean =>
  kind === 'tick' || mark?.kind === 'mark' || (epoch !== null && epoch.n > 0);

function describe({ kind, observation, result, epoch, mark }: Change): string {
  if (observation !== null) {
    const { op, via, fields, at, ref, origin, into } = observation;
    const place = `${at.time}${at.second ? '' : 'ms'}/${at.seq}`;
    return `${via} ${op} ${ref} ${short(fields)} @${place}${origin === null ? '' : ` by ${origin}`}${into === null ? '' : ` into ${into}`}`;
  }
  if (result !== null) {
    const { command, outcome, ref, refusals, doubt, returned, platformTime } = result;
    const refused = refusals.map(({ field, code, message }) => `${field}:${code}:${message}`).join('; ');
    return `result ${command} ${outcome} ${ref} @${platformTime} ${refused}${doubt ? ' in doubt' : ''} ${returned === null ? '' : short(returned.fields)}`;
  }
  if (epoch !== null) return `epoch ${epoch.platform}/${epoch.partition} ${epoch.epoch} window ${epoch.window}`;
  if (mark !== null) return `${mark.kind} ${mark.platform} ${mark.upTo} ${mark.detail}`;
  return kind;
}

const keyOf = ({ observation, mark }: Change): string => observation?.ref ?? `mark:${mark?.platform ?? ''}`;

/** A raw topic and the decode that reads it: in order, now and then some of it again. */
export class RawTopic {
  offset = 0;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #log: ChangesLog;
  readonly #repeats: boolean;
  readonly #recent: (readonly Change[])[] = [];
  #lastOut = 0;

  constructor(name: string, clock: Clock, chance: Chance, log: ChangesLog, repeats: boolean) {
    this.#name = name;
    this.#clock = clock;
    this.#chance = chance;
    this.#log = log;
    this.#repeats = repeats;
  }

  /** `background`: of a heartbeat, not of anything that happened. */
  append(decode: (offset: number) => readonly Change[], background = false): void {
    const changes = decode(this.offset++);
    const at = Math.max(this.#lastOut, this.#clock.now + this.#chance.int(`decode ${this.#name}`, 1, 15));
    this.#lastOut = at;
    const batch = [changes];
    if (this.#repeats) {
      this.#recent.push(changes);
      if (this.#recent.length > 4) this.#recent.shift();
      if (!background && this.#chance.is(`decode again ${this.#name}`, 0.03)) batch.unshift(...this.#recent);
    }
    this.#clock.at(
      at,
      () => {
        for (const some of batch) for (const change of some) this.#log.append(change, keyOf(change), background);
      },
      background,
    );
  }
}
