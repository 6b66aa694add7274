/** Rules by which is known who is who, who is created, merged and gone, and who belongs to whom. */
import type { Defence, Patch } from './defences.ts';

const unify = (name: string, find: string, replace: string): Patch => ({
  file: `processors/unify/${name}.ts`,
  find,
  replace,
});

export const identityDefences: readonly Defence[] = [
  {
    name: 'mark-waited-for',
    protects: 'a create of the half that is left writes over the record that was taken from it',
    worlds: ['pinned'],
    test: {
      file: 'test/processors/unify/actions.test.ts',
      name: 'has the create of the half that is left wait until the record that was taken carries its id no more',
    },
    patches: [unify('creates', "return carrier === undefined ? '' : ", "return carrier !== '' ? '' : ")],
  },
  {
    name: 'one-bears-the-mark',
    protects: 'a second record of a kind is refused the mark, and carries that of somebody else for ever',
    worlds: ['pinned'],
    patches: [unify('standing', 'if (bearerOf(world, link, entity, ref) !== ref.ref) ', "if (ref.ref === '') ")],
  },
  {
    name: 'gate-waits-for-marks',
    protects: 'somebody is created who is about to be told of by a silent source',
    worlds: ['leads', 'network', 'losses'],
    patches: [
      unify('creates', "fireTimers(world, 'gate', currentTo(world), {", "fireTimers(world, 'gate', world.now, {"),
    ],
  },
  {
    name: 'gate',
    protects: 'somebody is created before what belongs to them is told',
    worlds: ['leads', 'losses', 'network', 'merges'],
    patches: [
      unify(
        'creates',
        "fireTimers(world, 'gate', currentTo(world), {",
        "fireTimers(world, 'gate', Number.MAX_SAFE_INTEGER, {",
      ),
    ],
  },
  {
    name: 'found-is-linked',
    protects: 'somebody who exists already is not linked',
    worlds: ['deployed'],
    patches: [
      unify('results', "(result.outcome !== 'applied' && result.outcome !== 'exists')", "result.outcome !== 'applied'"),
    ],
  },
  {
    name: 'same-create-values',
    protects: 'a create in doubt is repeated with other values, which the platform takes for another record',
    worlds: ['deployed', 'calls'],
    patches: [unify('creates', 'const fields = create.ask?.fields ?? wanted;', 'const fields = wanted;')],
  },
  {
    name: 'one-open-create',
    protects: 'somebody is created twice, by two customers who are one',
    worlds: ['merges', 'identity', 'leads', 'calls'],
    test: {
      file: 'test/processors/unify/merge.test.ts',
      name: 'and expires in doubt is asked again with the very same values, under the id it was first asked for',
    },
    patches: [
      unify(
        'creates',
        "const busy = entity.creates.some((one) => one.platform === platform && one.state === 'open');",
        'const busy = false;',
      ),
    ],
  },
  {
    name: 'deleted-holds-place',
    protects: 'somebody who was deleted is created again',
    worlds: ['identity'],
    patches: [
      unify(
        'observations',
        'if (entity !== undefined) end(world, entity, gone, cause);',
        'if (entity !== undefined) end(world, { ...entity, refs: entity.refs.filter((one) => one !== gone.ref) }, gone, cause);',
      ),
    ],
  },
  {
    name: 'gone-holds-place',
    protects: 'somebody found deleted by a call is created again',
    worlds: ['delete,lost', 'identity', 'losses,delete', 'everything'],
    patches: [
      unify(
        'results',
        '  end(world, entity, ref, cause);\n',
        '  end(world, { ...entity, refs: entity.refs.filter((one) => one !== ref.ref) }, ref, cause);\n',
      ),
    ],
  },
  {
    name: 'old-revives-nobody',
    protects: 'an old value that comes again revives a deleted record',
    worlds: ['identity,network', 'delete,network', 'identity'],
    patches: [
      unify('observations', "  if (order < 0 || (order === 0 && observation.op !== 'undeleted')) return false;\n", ''),
    ],
  },
  {
    name: 'late-counts',
    protects: 'what somebody entered before their record was gone, and is told after that, is lost without a word',
    worlds: ['merges', 'signups'],
    patches: [unify('observations', '    takeLate(world, known, observation, cause);\n', '    void takeLate;\n')],
  },
  {
    name: 'old-deletion-ends-nobody',
    protects: 'the deletion of a record that was brought back ends it once more',
    worlds: ['identity,network', 'delete,undelete,network'],
    patches: [
      unify(
        'observations',
        "if (known?.deleted === true || order < 0 || (order === 0 && observation.via !== 'event')) return;",
        'if (known?.deleted === true) return;',
      ),
    ],
  },
  {
    name: 'ledger-moves-along',
    protects: 'of records that move between customers it is forgotten what was written',
    worlds: ['merges', 'leads', 'identity', 'calm'],
    patches: [
      unify(
        'merge',
        'if (ref !== undefined) world.putRef({ ...ref, id: survivor.id });',
        'if (ref !== undefined) world.putRef({ ...ref, id: survivor.id, landed: [], quiet: {}, seen: {} });',
      ),
    ],
  },
  {
    name: 'open-ask-moves-along',
    protects: 'the answer to an ask of a record that moved is lost',
    worlds: ['merges', 'leads', 'identity', 'calm'],
    patches: [
      unify(
        'merge',
        'if (ref !== undefined) world.putRef({ ...ref, id: survivor.id });',
        'if (ref !== undefined) world.putRef({ ...ref, id: survivor.id, open: null });',
      ),
    ],
  },
  {
    name: 'creates-join',
    protects: 'a create under way for somebody who was merged is forgotten, and made again',
    worlds: ['merges', 'identity', 'leads', 'merges,calls'],
    patches: [unify('merge', 'creates: joinCreates(survivor, loser),', 'creates: [],')],
  },
  {
    name: 'merged-after-deleted',
    protects: 'somebody whose merge is told after the deletion is taken for gone',
    worlds: ['merges', 'leads'],
    patches: [unify('merge', '  if (known.into === into || ', '  if (known.deleted || ')],
  },
  {
    name: 'arrivals',
    protects: 'what somebody was converted into before it was seen is taken for somebody else',
    worlds: ['leads', 'merges', 'leads,network'],
    patches: [
      unify(
        'identity',
        "  if (arrived !== undefined) return { entity: arrived, reason: 'merged or converted into it' };\n",
        '',
      ),
      unify('merge', '  if (arrivals.length === 0) return;\n', '  return;\n'),
    ],
  },
  {
    name: 'loser-yields',
    protects: 'what a merged record said stands against the choice of whoever merged it',
    worlds: ['merges', 'leads'],
    test: {
      file: 'test/processors/unify/merge.test.ts',
      name: 'leave what the loser had beaten within the second of the merge: it may have been said after that',
    },
    patches: [unify('merge', 'field.source === ref.ref || ', '')],
  },
  {
    name: 'taken-apart-has-its-own-mark',
    protects: 'a create of one half overwrites the record that was taken from it',
    worlds: ['operate,ambiguous', 'released'],
    patches: [
      unify('standing', "typeof seen === 'string' && seen !== '' ? world.living(seen) : undefined", 'undefined'),
    ],
  },
  {
    name: 'loser-yields-as-a-person',
    protects: 'what the other records of a merged person said stands against the choice of whoever merged them',
    worlds: ['merges', 'signups'],
    patches: [unify('merge', ' || (isAnother && !isAfter(field, endedAt))', '')],
  },
  {
    name: 'cleared-since-the-merge',
    protects: 'what somebody cleared after a merge is filled again with what the merged person had',
    worlds: ['merges', 'merge,delay'],
    test: {
      file: 'test/processors/unify/merge.test.ts',
      name: 'what was cleared on the winner since then stays cleared, and nothing of the loser fills it',
    },
    patches: [unify('merge', 'field.version > 1 && isAfter(field, endedAt)', 'false')],
  },
  {
    name: 'claims-move',
    protects: 'whoever takes over an email is confused with who had it',
    worlds: ['handovers', 'handover'],
    patches: [unify('identity', "  if (old !== '') removeMember(world, claimsOf(old), after.id);\n", '')],
  },
  {
    name: 'gone-claim-nothing',
    protects: 'the successor of somebody who is gone is ambiguous for ever',
    worlds: ['handovers', 'handover'],
    patches: [
      unify(
        'merge',
        'const emails = living.length === 0 ? withdraw(world, entity) : [];',
        'const emails: readonly string[] = [];',
      ),
    ],
  },
  {
    name: 'one-email-one-person',
    protects: 'two records of one email stay two people',
    worlds: ['calm', 'identity'],
    patches: [
      unify(
        'identity',
        "return free(claimant) ? { entity: claimant, reason: 'email' } : undefined;",
        'return undefined;',
      ),
      unify('merge', '      claimants.length > 1 && claimants.every', '      false && claimants.every'),
    ],
  },
  {
    name: 'create-in-doubt-waits',
    protects: 'a contact whose email is changed after a create that timed out had made it is made twice',
    worlds: ['calls', 'latecalls', 'deployed'],
    test: {
      file: 'test/processors/unify/defects-creates.test.ts',
      name: 'of a contact in doubt wait until a search must show it, and tell the sink to look: its email may be another by now',
    },
    patches: [unify('creates', '    if (doubt && !keyed) {\n', '    if (doubt && keyed) {\n')],
  },
  {
    name: 'put-off-create-is-not-awaited',
    protects: 'who was made by a create whose sink stopped is not brought up to date',
    worlds: ['processes', 'everything'],
    patches: [
      unify(
        'results',
        '  if (ask !== null) letGo(world, entity.id, ask, { lane: create.lane, time: world.now });\n',
        '',
      ),
    ],
  },
  {
    name: 'put-off-create-has-an-outcome',
    protects: 'what a platform made of a create whose answer was lost is written back to where it came from',
    worlds: ['processes,norm', 'latecalls,norm'],
    test: {
      file: 'test/processors/unify/defects-creates.test.ts',
      name: 'of a contact that tells of itself while they wait have come to what the platform made of them: that is left in peace',
    },
    patches: [
      unify('results', '    if (made !== null) resumeBefore(world, draft, made, Number.POSITIVE_INFINITY);\n', ''),
      unify('ledger', '  const made = answered ?? created;\n', '  const made = answered;\n'),
    ],
  },
  {
    name: 'look-comes-after',
    protects: 'what somebody edited before a create was answered by a look at its contact is taken for the outcome',
    worlds: ['calls,norm', 'latecalls,norm'],
    patches: [
      unify(
        'landing',
        "    if (ask.verb === 'create') resumeBefore(world, draft, closed, lookedAt(result.returned, result));\n",
        '',
      ),
    ],
  },
  {
    name: 'marker-names',
    protects: 'what our create made is not known again when it is told before the answer',
    worlds: ['calls', 'processes', 'latecalls', 'network', 'identity', 'firms'],
    patches: [
      unify(
        'identity',
        "  if (free(named) || (isFree(named) && isMadeFor(named, observation.ref))) return { entity: named, reason: 'marker' };\n",
        '',
      ),
    ],
  },
  {
    name: 'no-guess',
    protects: 'of several who share an email one is written over with another',
    worlds: ['identity', 'ambiguous', 'ambiguous,delay'],
    patches: [
      unify(
        'creates',
        'const sharing = isOpen ? rivals(world, entity) : [];',
        'const sharing: readonly string[] = [];',
      ),
    ],
  },
  {
    name: 'no-second-of-a-kind',
    protects: 'two contacts of one email become one person',
    worlds: ['identity', 'ambiguous', 'calm'],
    test: {
      file: 'test/processors/unify/identity.test.ts',
      name: 'when the other contact has another email: the two that are left are one, and the net effect is written once',
    },
    patches: [
      unify(
        'identity',
        '    entity?.entity === kind && !hasKind(world, entity, observation.ref);',
        '    entity?.entity === kind;',
      ),
    ],
  },
  {
    name: 'blocked-email-retried',
    protects: 'an email that is free again is never given to who should have it',
    worlds: ['handover', 'handovers', 'handover,calls'],
    patches: [
      unify(
        'follow',
        '  for (const email of draft.left) retryBlocked(world, email, parseRef(draft.ref.ref).platform);\n',
        '',
      ),
      unify('merge', "if (typeof email === 'string') retryBlocked(world, email, platform);", ''),
    ],
  },
  {
    name: 'email-awaited-from-the-asking-on',
    protects: 'an email that came to be free before its refusal was told is never asked for again',
    worlds: ['handover', 'handovers'],
    patches: [
      unify(
        'results',
        'rememberBlocked(world, draft, ask, endAwaiting(world, item, sideOf(draft.rules, item), ask));',
        'rememberBlocked(world, draft, ask, []);',
      ),
    ],
  },
  {
    name: 'attached-before-it-is-known',
    protects: 'who is attached to a company that nobody told of belongs to it on one side only',
    worlds: ['cold,companies', 'identity', 'scarce', 'skewed'],
    patches: [
      unify(
        'waiting',
        "if (link.type === 'account' && link.platform === 'intercom') decideAttached(world, draft, link);",
        '',
      ),
    ],
  },
  {
    name: 'left-while-in-doubt',
    protects: 'somebody whom a late call attaches again stays attached',
    worlds: ['late,companies', 'calls', 'everything'],
    patches: [
      unify(
        'companies',
        '    if (ref.landed.some((ask) => ask.doubt && link.field in ask.expected)) return true;\n',
        '',
      ),
    ],
  },
  {
    name: 'written-is-back',
    protects: 'who was brought back before the deletion was told is given up',
    worlds: ['everything', 'delay,disorder,undelete,companies'],
    patches: [
      unify(
        'results',
        "const back = ref.deleted && result.outcome === 'applied' && comparePositions(placeOf(result), ref.newest) > 0;",
        'const back = false;',
      ),
    ],
  },
  {
    name: 'contact-leads',
    protects: 'a converted lead is written to for ever',
    worlds: ['leads', 'leads,calls'],
    test: {
      file: 'test/processors/unify/conversion.test.ts',
      name: 'is its contact from then on; nobody is created in between, nothing is written to it',
    },
    patches: [
      unify('dirty', '  if (isSecondary(world, entity, ref.ref)) return ref;\n', ''),
      unify('dirty', '    isSecondary(world, entity, ref.ref) ||\n', ''),
    ],
  },
  {
    name: 'leads-create-nobody',
    protects: 'every lead becomes a user on the other platform',
    worlds: ['leads'],
    patches: [
      unify(
        'creates',
        "  if (living.every((ref) => isLead(world.rules.entities[entity.entity], ref))) return 'only a lead';\n",
        '',
      ),
    ],
  },
  {
    name: 'companies-wait-for-people',
    protects: 'companies are made that nobody can see',
    worlds: ['firms'],
    patches: [
      {
        file: 'processors/flows/account-sync.ts',
        find: "return platform === 'salesforce' || view.hasMembers() ? '' : 'no people';",
        replace: "return '';",
      },
    ],
  },
  {
    name: 'member-plans-company',
    protects: 'the company of somebody who joins it is never made',
    worlds: ['firms', 'onesided'],
    patches: [
      unify('follow', '  if (accountChanged !== null) planCreates(world, accountChanged, lane, sourceTime);\n', ''),
    ],
  },
  {
    name: 'fan-out',
    protects: 'people are not attached to a company that was made after them',
    worlds: ['firms', 'onesided'],
    patches: [
      unify(
        'follow',
        "    fanOut(world, membersOf(entity.id), draft.changed.length > 0 ? 'fanout' : 'realign', lane, revisit);\n",
        '',
      ),
    ],
  },
  {
    name: 'links-wait',
    protects: 'a link to a company that is not known yet is lost',
    worlds: ['firms', 'onesided', 'firms,network'],
    patches: [unify('follow', '    tellWaiting(world, entity, lane);\n', '')],
  },
  {
    name: 'left-is-detached',
    protects: 'who moves to another company stays attached to the one they left',
    worlds: ['firms', 'onesided'],
    patches: [unify('companies', '|| !wasLeft(world, id, other.id);', '|| true;')],
  },
  {
    name: 'foreign-stays-attached',
    protects: 'who is attached to other companies too is detached from them',
    worlds: ['firms', 'onesided', 'firms,network'],
    patches: [
      unify(
        'companies',
        'return other === undefined || other.id === account?.id || !wasLeft(world, id, other.id);',
        'return other !== undefined && other.id === account?.id;',
      ),
    ],
  },
  {
    name: 'realign',
    protects: 'what a changed configuration means for those who are known is never written',
    worlds: ['changes', 'changes,network'],
    test: {
      file: 'test/processors/unify/companies.test.ts',
      name: 'writes a newly mapped field to everybody who has a value, in the bulk lane, and once',
    },
    patches: [unify('index', "  if (config.hash !== current.s['hash']) realignAll(world);\n", '')],
  },
  {
    name: 'gone-is-read',
    protects: 'who is brought back within the second of the deletion stays gone',
    worlds: ['identity'],
    patches: [
      unify(
        'observations',
        '    if (observation.whole && gone.into === null && comparePositions(observation.at, gone.newest) === 0)\n',
        '    if (false)\n',
      ),
    ],
  },
  {
    name: 'ambiguous-is-read',
    protects: 'of somebody ambiguous a tie stands for ever',
    worlds: ['identity', 'cold'],
    patches: [unify('dirty', 'ref.reading ? isStuck(world, entity) : isHeld(world, entity)', 'isHeld(world, entity)')],
  },
  {
    name: 'overtaken-attachment',
    protects:
      'who was attached to a company without an account while our call attached another belongs to none of them',
    worlds: ['scarce', 'calls,companies'],
    patches: [unify('evidence', '    rememberAttached(world, draft, link, { ...how, value, before });\n', '')],
  },
  {
    name: 'named-in-the-way',
    protects: 'whom a call in doubt had made, and people merged away, stays somebody else',
    worlds: ['everything'],
    patches: [
      unify(
        'results',
        '  const ended = endedIn(world, ask, result);\n',
        '  const ended = undefined as RefState | undefined;\n',
      ),
    ],
  },
  {
    name: 'lead-gives-way-once',
    protects: 'what a converted lead had said loses to who is merged into its contact',
    worlds: ['leads,merge', 'everything'],
    patches: [unify('merge', '[...changed, ...led].map', '[...changed].map')],
  },
];
