/** The question of a person to the state: whose record is this, and why does each field have its value? Reads only. */
import type { FoldRecord, State } from '../../core/fold.ts';
import { changeOf } from '../../schemas/change.ts';
import type { CursorState, EntityState, RefState } from '../../schemas/types.ts';
import { frozenFields } from './edits.ts';
import { type Explanation, explain } from './explain.ts';
import { loadRefs } from './identity.ts';
import { claimsOf, configKey, frozenOnes } from './keys.ts';
import { compileRules, type RulesConfig } from './rules.ts';
import { someMembers } from './sets.ts';
import { World } from './world.ts';

export interface Why {
  readonly entity: EntityState;
  /** Its records, sorted by ref. */
  readonly refs: readonly RefState[];
  readonly fields: readonly Explanation[];
}

/** Nothing is decided here: the record is there because a world has one. */
const nothing: FoldRecord = { offset: 0, time: 0, key: '', lineage: 0, change: changeOf({ kind: 'tick' }) };
/** People of one email that are told. */
const most = 20;

/**
 * `subject`: a ref (salesforce:Contact:003…), the id of a customer or account (an alias leads to its survivor), or an email.
 * Several answers when several customers claim the email; none when nothing is known.
 * `config`: the rules in force before the log names any.
 * @throws StateMiss when the state has to be fetched first
 */
export function why(get: State['get'], config: RulesConfig, subject: string, field = ''): readonly Why[] {
  const world = worldOf(get, config);
  return entitiesOf(world, subject).map((entity) => {
    loadRefs(world, entity);
    const refs = [...entity.refs].sort().flatMap((ref) => world.ref(ref) ?? []);
    return { entity, refs, fields: explain(world, entity, refs, field) };
  });
}

export interface Frozen {
  readonly id: string;
  readonly fields: readonly string[];
}

/** Up to twenty people and companies with frozen fields. @throws StateMiss when the state has to be fetched first */
export function frozen(get: State['get'], config: RulesConfig): readonly Frozen[] {
  const world = worldOf(get, config);
  // Who was merged since is told by who lives on; whose fields gave way to others' is not frozen any more.
  const living = someMembers(world, frozenOnes, most).flatMap((id) => world.living(id) ?? []);
  return [...new Map(living.map((entity) => [entity.id, entity])).values()]
    .map((entity) => ({ id: entity.id, fields: frozenFields(entity) }))
    .filter(({ fields }) => fields.length > 0);
}

function worldOf(get: State['get'], config: RulesConfig): World {
  const told = get(configKey) as CursorState | undefined;
  const inForce = told?.s['json'] === undefined ? config : (JSON.parse(told.s['json']) as RulesConfig);
  return new World(readOnly(get), nothing, compileRules(inForce));
}

function entitiesOf(world: World, subject: string): readonly EntityState[] {
  const ids = /^(?:salesforce|intercom):/.test(subject)
    ? [world.ref(subject)?.id ?? '']
    : subject.includes('@')
      ? someMembers(world, claimsOf(subject), most)
      : [subject];
  const living = ids.filter((id) => id !== '').flatMap((id) => world.living(id) ?? []);
  return [...new Map(living.map((entity) => [entity.id, entity])).values()];
}

const readOnly = (get: State['get']): State => ({
  get,
  put: (key) => {
    throw new Error(`a question wrote ${key}`);
  },
  savepoint: () => () => undefined,
});
