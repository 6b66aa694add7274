/**
 * A full quota means that records wait in unify, to be asked with their newest values: no partition is asked for more at
 * once than its sink has said it takes.
 */
import { offsetOf } from '../../processors/unify/world.ts';
import type { Command, Epoch } from '../../schemas/types.ts';
import type { Ran } from './simulate.ts';

const placeOf = ({ platform, partition }: Epoch | { platform: string; partition: number }): string =>
  `${platform}/${partition}`;

/** Asks made while the window of their partition was full. */
export function beyondWindows({ log, unify }: Ran): readonly string[] {
  /** By the offset at which it was asked. */
  const asked = new Map<number, Map<string, { readonly place: string; readonly bulk: boolean }>>();
  const sentUnder = new Set<string>();
  for (const { topic, value, partition = 0 } of unify.outputs) {
    if (!topic.endsWith('.commands') || value === null) continue;
    const { id, lineage, platform, lane, epoch } = value as Command;
    sentUnder.add(`${epoch} ${id}`);
    const offset = offsetOf(lineage);
    const there = asked.get(offset) ?? new Map();
    asked.set(offset, there.set(id, { place: placeOf({ platform, partition }), bulk: lane === 'bulk' }));
  }
  const windows = new Map<string, Epoch>();
  const open = new Map<string, Map<string, boolean>>();
  const beyond: string[] = [];
  for (const { offset, change } of log.records) {
    const { epoch, result } = change;
    const current = epoch === null ? undefined : windows.get(placeOf(epoch));
    if (epoch !== null && (epoch.n === 0 || current?.epoch === epoch.epoch)) {
      const place = placeOf(epoch);
      windows.set(place, epoch);
      // What a sink before had, and this one is not given, waits for nobody.
      if (epoch.n === 0)
        open.set(place, new Map([...(open.get(place) ?? [])].filter(([id]) => sentUnder.has(`${epoch.epoch} ${id}`))));
    }
    if (result !== null) {
      const isStale = result.outcome === 'expired' && windows.get(placeOf(result))?.epoch !== result.epoch;
      if (!isStale) open.get(placeOf(result))?.delete(result.command);
    }
    for (const [id, { place, bulk }] of asked.get(offset) ?? []) {
      const there = open.get(place) ?? new Map<string, boolean>();
      const { window = 0, bulkWindow = 0 } = windows.get(place) ?? {};
      const bulks = [...there.values()].filter((one) => one).length;
      if (there.size >= window || (bulk && bulks >= bulkWindow))
        beyond.push(`${id} is asked of ${place}, which has ${there.size} open and takes ${window}`);
      open.set(place, there.set(id, bulk));
    }
  }
  return beyond;
}
