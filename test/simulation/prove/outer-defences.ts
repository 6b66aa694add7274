/** What sinks, connectors and decode do so that unify can rely on what it is told. */
import type { Defence, Patch } from './defences.ts';

const patch = (file: string, find: string, replace: string): Patch => ({ file, find, replace });

export const outerDefences: readonly Defence[] = [
  // ---- asks and those who carry them out
  {
    name: 'resend',
    protects: 'what a sink had not answered when it was killed is never answered',
    worlds: ['processes'],
    patches: [
      patch(
        'processors/unify/index.ts',
        '  if (isNew) resend(world, epoch.platform, epoch.partition, putOffOpen);\n',
        '',
      ),
    ],
  },
  {
    name: 'resent-is-in-doubt',
    protects: 'what a killed sink had begun is taken for an edit when it lands',
    worlds: ['restart,zombie,late,timeout-after', 'processes,latecalls'],
    patches: [
      patch(
        'processors/unify/commands.ts',
        'const ask = { ...create.ask, expiresAt: world.now + askLifeMs, askedAt: world.now, doubt: true };',
        'const ask = { ...create.ask, expiresAt: world.now + askLifeMs, askedAt: world.now };',
      ),
      patch(
        'processors/unify/commands.ts',
        'const ask = { ...ref.open, expiresAt: world.now + askLifeMs, askedAt: world.now, doubt: true };',
        'const ask = { ...ref.open, expiresAt: world.now + askLifeMs, askedAt: world.now };',
      ),
    ],
  },
  {
    name: 'stale-expiry',
    protects: 'a sink that was taken over from ends what its successor is doing',
    worlds: ['restart,zombie,late,timeout-after', 'processes,calls'],
    patches: [
      patch(
        'processors/unify/results.ts',
        'if (ask == null || ask.id !== result.command || isStaleExpiry(world, result)) {',
        'if (ask == null || ask.id !== result.command) {',
      ),
      patch(
        'processors/unify/results.ts',
        'if (create === undefined || ask == null || isStaleExpiry(world, result)) {',
        'if (create === undefined || ask == null) {',
      ),
    ],
  },
  {
    name: 'result-of-this-ask',
    protects: 'the answer to an older ask ends the open one',
    worlds: ['restart,zombie,late,timeout-after', 'processes,calls'],
    test: {
      file: 'test/processors/unify/ledger-calls.test.ts',
      name: 'that is answered once more does not end the one that was asked after it',
    },
    patches: [
      patch(
        'processors/unify/results.ts',
        'if (ask == null || ask.id !== result.command || isStaleExpiry(world, result)) {',
        'if (ask == null || isStaleExpiry(world, result)) {',
      ),
    ],
  },
  {
    name: 'epochs-fence-commands',
    protects: 'a command sent to the sink before is carried out by its successor too',
    worlds: ['processes', 'processes,calls'],
    patches: [
      patch('core/sink-state.ts', 'held === undefined || command.epoch !== held.epoch ||', 'held === undefined ||'),
    ],
  },
  {
    name: 'known-commands',
    protects: 'a command that is read twice is carried out twice',
    worlds: ['processes', 'network', 'everything'],
    patches: [patch('core/sink-state.ts', ' || held.known.has(command.id)) return false;', ') return false;')],
  },
  {
    name: 'expiry',
    protects: 'what waited too long is written although it is out of date',
    worlds: ['scarce'],
    patches: [
      patch('core/sink-state.ts', 'command.expiresAt <= logNow)', 'false)'),
      patch('core/sink-state.ts', 'leftMs: soonest - this.#clock.at(now)', 'leftMs: soonest + 3_600_000'),
    ],
  },
  {
    name: 'window',
    protects: 'more is asked than can be carried out before it expires',
    worlds: ['scarce', 'bursts'],
    patches: [
      patch('processors/unify/dirty.ts', "|| (n['open'] ?? 0) >= (n['window'] ?? 0)) return false;", ') return false;'),
    ],
  },
  {
    name: 'budget',
    protects: 'calls beyond the quota',
    worlds: ['scarce'],
    patches: [
      patch(
        'core/budget.ts',
        'const granted = Math.max(0, Math.min(wanted, Math.floor(full.tokens - kept)));',
        'const granted = wanted;',
      ),
    ],
  },
  {
    name: 'doubt-after-silence',
    protects: 'a call that timed out is taken for one that did nothing',
    worlds: ['calls', 'latecalls'],
    patches: [
      patch(
        'connectors/intercom/classify.ts',
        "return { kind: 'retry', doubt: exchange.sent, code: 'PLATFORM_UNAVAILABLE', text: exchange.cause };",
        "return { kind: 'retry', doubt: false, code: 'PLATFORM_UNAVAILABLE', text: exchange.cause };",
      ),
      patch(
        'connectors/intercom/classify.ts',
        "if (status >= 500) return { kind: 'retry', doubt: true,",
        "if (status >= 500) return { kind: 'retry', doubt: false,",
      ),
    ],
  },
  {
    name: 'look-up-before-create',
    protects: 'a contact is created who is in Salesforce already',
    worlds: ['losses', 'network', 'calls'],
    patches: [patch('sinks/salesforce/execute.ts', '      if (email === null) continue;\n', '      continue;\n')],
  },
  {
    name: 'own-create-found',
    protects: 'the contact that an earlier try created is taken for one that was there before',
    worlds: ['deployed'],
    test: {
      file: 'test/sinks/intercom-execute.test.ts',
      name: 'and asked again: one contact in the end, ours, whatever its email is by then',
    },
    patches: [
      patch(
        'sinks/intercom/execute.ts',
        '    for (const id of ids) {\n      // What search',
        '    for (const id of ids.slice(0, 0)) {\n      // What search',
      ),
      patch(
        'sinks/intercom/execute.ts',
        'if (valueIn(found.body, marker) === key) return yield* this.#finishContact(found, made.id);',
        '',
      ),
    ],
  },
  {
    name: 'conflict-is-found',
    protects: 'a contact that Intercom has already is given up as refused',
    worlds: ['deployed', 'calm'],
    patches: [
      patch(
        'sinks/intercom/execute.ts',
        "if (made.kind !== 'exists') return this.#refused(made);",
        "if (made.kind !== 'ok') return this.#refused(made);\n      if (made.kind !== 'exists') return this.#refused(made);",
      ),
    ],
  },
  {
    name: 'bad-field-alone',
    protects: 'one refused value keeps its neighbours from being written',
    worlds: ['values'],
    patches: [
      patch(
        'sinks/salesforce/execute.ts',
        '    if (Object.keys(item.rest).length === 0) this.#refuse(item, []);\n    else left.again.push(item);',
        '    this.#refuse(item, []);',
      ),
    ],
  },
  // ---- sources
  {
    name: 'event-ids',
    protects: 'an event that comes again after newer ones is taken for the newest',
    worlds: ['network', 'sources'],
    test: {
      file: 'test/connectors/salesforce/decide.test.ts',
      name: 'remembers event ids up to a number, the newest',
    },
    patches: [patch('connectors/salesforce/decide-state.ts', 'return this.#ids.has(id);', 'return false;')],
  },
  {
    name: 'gaps-are-read',
    protects: 'a change that is told without its values is lost',
    worlds: ['sources'],
    patches: [patch('connectors/salesforce/decide-state.ts', 'untold || gaps.has(changeType) ||', 'untold ||')],
  },
  {
    name: 'merged-or-deleted',
    protects: 'the loser of a merge is taken for deleted',
    worlds: ['merges'],
    patches: [patch('connectors/salesforce/decide-state.ts', ' || (gone && mergeable.has(object)) ?', ' ?')],
  },
  {
    name: 'row-after-gap',
    protects: 'the row read for a gap is older than the gap by its date, and loses',
    worlds: ['gap', 'gap,oneway', 'gap,delay'],
    test: {
      file: 'test/connectors/salesforce/decide.test.ts',
      name: 'is after the second of the gap, or the row is read again',
    },
    patches: [
      patch('connectors/salesforce/decide-state.ts', '  if (at > second) return at;\n', '  if (at > 0) return at;\n'),
    ],
  },
  {
    name: 'holes-are-read',
    protects: 'what was committed while the stream was lost is never known',
    worlds: ['sources'],
    patches: [
      patch(
        'connectors/salesforce/decide-state.ts',
        'export function afterLoss(state: ConnectorState, objects: readonly string[]): ConnectorState {',
        'export function afterLoss(state: ConnectorState, objects: readonly string[]): ConnectorState {\n  if (objects.length > 0) return state;',
      ),
    ],
  },
  {
    name: 'claims-stop-at-holes',
    protects: 'the source calls itself current while rows are missing',
    worlds: ['sources', 'sources,convert', 'leads,hole'],
    test: {
      file: 'test/connectors/salesforce/decide.test.ts',
      name: 'allows no claim while rows are missing',
    },
    patches: [
      patch(
        'connectors/salesforce/decide-state.ts',
        '  if (state.holes.length > 0 || nextSnapshot(state, objects) !== undefined) return state.claim;\n',
        '',
      ),
    ],
  },
  {
    name: 'read-dated-by-clock',
    protects: 'a row that is read is taken for as old as its last change, and loses to what it answers',
    worlds: ['network', 'sources', 'calm'],
    test: {
      file: 'test/processors/decode/salesforce.test.ts',
      name: 'stands at the clock of its answer and is dated by SystemModstamp',
    },
    patches: [
      patch(
        'processors/decode/salesforce.ts',
        '    at: { time: taken.at, seq: -1, second: true },\n',
        '    at: { time: modified ?? taken.at, seq: -1, second: true },\n',
      ),
    ],
  },
  {
    name: 'reconciliation',
    protects: 'what a lost notification would have told is never known',
    worlds: ['losses'],
    patches: [
      patch(
        'connectors/intercom/decide-reconcile.ts',
        'const at = pass !== null || first ? 0 : Math.min(missed, begun + every.contacts);',
        'const at = pass !== null || first ? 0 : missed;',
      ),
    ],
  },
  {
    name: 'holes-of-notifications',
    protects: 'what happened while nobody received is known late',
    worlds: ['losses', 'lost'],
    test: {
      file: 'test/connectors/intercom/decide-reconcile.test.ts',
      name: 'whatever is edited, whenever nobody hears of it, is told by the time it is closed',
    },
    patches: [
      patch(
        'connectors/intercom/decide-reconcile.ts',
        'const missed = hole === null || hole.contacts ? Infinity : begun < hole.until ? hole.until : hole.until + settleMs;',
        'const missed = Infinity;',
      ),
    ],
  },
  {
    name: 'passes-overlap',
    protects: 'what search did not show yet is passed over for ever',
    worlds: ['losses'],
    patches: [
      patch(
        'connectors/intercom/decide-reconcile.ts',
        'export const overlapMs = 600_000;',
        'export const overlapMs = 0;',
      ),
    ],
  },
  {
    name: 'losers-of-merges-are-asked',
    protects: 'contacts of Intercom that were merged away stay known as living',
    worlds: ['merges'],
    test: {
      file: 'test/connectors/intercom/decide-reconcile.test.ts',
      name: 'is told as merged where the platform says into whom, and the survivor is read',
    },
    patches: [
      patch(
        'connectors/intercom/decide-reconcile.ts',
        "      named.map((loser) => goneOf('recheck', 'contact', loser, at, mergedBody(loser, id))),",
        '      [],',
      ),
    ],
  },
];
