/**
 * unify: the one writer. Folds the ordered topic `changes` into canonical events and commands.
 * Pure: no clock, no randomness, no I/O; the same changes give the same bytes. README.md gives the reading order.
 */
import type { Fold, FoldRecord, Output, State } from '../../core/fold.ts';
import type { Epoch } from '../../schemas/types.ts';
import { onAction } from './actions.ts';
import { certify } from './certificates.ts';
import { resend } from './commands.ts';
import { askCreate, openGates } from './creates.ts';
import { dispatch, stirAll } from './dirty.ts';
import { checkEchoes } from './echoes.ts';
import { advanceJobs, realignAll } from './jobs.ts';
import { configKey, gatesKey, jobsKey, marksKey, partitionKey, timersKey } from './keys.ts';
import { visit } from './merge.ts';
import { onObservation } from './observations.ts';
import { aroundRecord } from './prefetch.ts';
import { abandonResult, onResult, putOffOpen } from './results.ts';
import { compileRules, type Rules, type RulesConfig } from './rules.ts';
import { World } from './world.ts';

/** The fold of this configuration; a config change in the log replaces it from there on. */
export function createUnify(initial: RulesConfig): Fold {
  const first = compileRules(initial);
  const compiled = new Map<string, Rules>();
  const rulesAt = (state: State): Rules => {
    const cursor = state.get(configKey) as { s: Readonly<Record<string, string>> } | undefined;
    const hash = cursor?.s['hash'];
    if (cursor === undefined || hash === undefined) return first;
    let rules = compiled.get(hash);
    if (rules === undefined) {
      rules = compileRules(JSON.parse(cursor.s['json'] ?? '{}') as RulesConfig);
      compiled.clear();
      compiled.set(hash, rules);
    }
    return rules;
  };
  return {
    recalls,
    decide: (state, record) => {
      const world = new World(state, record, rulesAt(state));
      decide(world);
      dispatch(world, askCreate);
      return world.outputs;
    },
    poisoned: (state, record, error) => hold(new World(state, record, rulesAt(state)), error),
  };
}

function recalls({ change }: FoldRecord, known: (key: string) => object | undefined = () => undefined) {
  const always = [configKey, marksKey];
  if (change.observation) return [...always, ...aroundRecord(change.observation.ref, known)];
  if (change.result) {
    const { platform, partition, ref } = change.result;
    return [...always, partitionKey(platform, partition), ...(ref === '' ? [] : aroundRecord(ref, known))];
  }
  if (change.kind === 'tick' || change.kind === 'mark') return [...always, gatesKey, timersKey('echo'), jobsKey];
  return always;
}

function decide(world: World): void {
  const { change } = world.record;
  switch (change.kind) {
    case 'observation':
      if (change.observation) onObservation(world, change.observation);
      return;
    case 'result':
      if (change.result) onResult(world, change.result);
      return;
    case 'epoch':
      if (change.epoch) onEpoch(world, change.epoch);
      return;
    case 'mark':
      onMark(world);
      openGates(world);
      checkEchoes(world);
      return;
    case 'tick':
      openGates(world);
      checkEchoes(world);
      advanceJobs(world, visit);
      stirAll(world);
      return;
    case 'config':
      onConfig(world);
      return;
    case 'action':
      if (change.action) onAction(world, change.action);
      return;
  }
}

// ---- epochs, marks, configuration, poison

/** Epochs of a partition that were valid once: one of them that is read again does nothing. */
const epochsKept = 16;

function onEpoch(world: World, epoch: Epoch): void {
  const key = partitionKey(epoch.platform, epoch.partition);
  const cursor = world.cursor(key);
  const current = cursor.s['epoch'] ?? '';
  const past = (cursor.s['past'] ?? '').split(',').filter((id) => id !== '');
  const isNew = epoch.n === 0 && epoch.epoch !== current && !past.includes(epoch.epoch);
  if (!isNew && (epoch.epoch !== current || epoch.n <= (cursor.n['n'] ?? 0))) return;
  world.putCursor(key, {
    n: { ...cursor.n, n: epoch.n, window: epoch.window, bulkWindow: epoch.bulkWindow },
    s: isNew
      ? {
          ...cursor.s,
          epoch: epoch.epoch,
          past: [...past, current]
            .filter((id) => id !== '')
            .slice(-epochsKept)
            .join(','),
        }
      : cursor.s,
  });
  if (isNew) resend(world, epoch.platform, epoch.partition, putOffOpen);
  world.stirred.add(`${epoch.platform}:${epoch.partition}`);
}

function onMark(world: World): void {
  const { mark, source } = world.record.change;
  if (mark === null) return;
  const marks = world.cursor(marksKey);
  // An older mark that comes again, from a decode that was slow, must not show a hole that was closed.
  const place = `place:${mark.platform}`;
  if (source !== null && source.offset < (marks.n[place] ?? 0)) return;
  const placed = source === null ? marks.n : { ...marks.n, [place]: source.offset };
  // Told once, though a mark may come again.
  if (mark.certificate && (source === null || source.offset > (marks.n[place] ?? -1))) {
    certify(world, mark.platform, mark.certificate);
    world.putCursor(marksKey, { ...marks, n: placed });
  }
  const set = (name: string, value: number): void =>
    world.putCursor(marksKey, { ...marks, n: { ...placed, [name]: value } });
  switch (mark.kind) {
    case 'mark': {
      const name = `upTo:${mark.platform}`;
      if (mark.upTo > (marks.n[name] ?? 0)) set(name, mark.upTo);
      return;
    }
    case 'snapshotComplete':
      set(`complete:${mark.platform}:${mark.detail}`, 1);
      return;
    case 'holeOpen':
      set(`hole:${mark.platform}`, 1);
      return;
    case 'holeClosed':
      set(`hole:${mark.platform}`, 0);
      return;
  }
}

function onConfig(world: World): void {
  const { config } = world.record.change;
  if (config === null) return;
  const current = world.cursor(configKey);
  if (config.n <= (current.n['n'] ?? 0)) return;
  compileRules(JSON.parse(config.json) as RulesConfig);
  world.putCursor(configKey, { n: { n: config.n }, s: { hash: config.hash, json: config.json } });
  if (config.hash !== current.s['hash']) realignAll(world);
}

/** A record that cannot be decided: what it speaks of is held, so that nothing is written from a state that may be wrong. */
function hold(world: World, error: unknown): readonly Output[] {
  const { observation, result } = world.record.change;
  const reason = `${world.lineage} could not be decided: ${error instanceof Error ? error.message : String(error)}`;
  if (result !== null) abandonResult(world, result, reason);
  const name = observation?.ref ?? result?.ref ?? '';
  const ref = observation === null ? undefined : world.ref(observation.ref);
  if (ref !== undefined) world.putRef({ ...ref, landed: [], held: reason.slice(0, 200) });
  if (name !== '') world.journal({ id: name, kind: 'held', source: name, reason });
  return world.outputs;
}
