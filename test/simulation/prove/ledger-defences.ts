/** Rules by which values are taken in, won and asked for. */
import type { Defence, Patch } from './defences.ts';

const unify = (name: string, find: string, replace: string): Patch => ({
  file: `processors/unify/${name}.ts`,
  find,
  replace,
});

export const ledgerDefences: readonly Defence[] = [
  {
    name: 'owner-is-back',
    protects: 'what the other side said while the record of the owner was gone is written over what the owner says',
    worlds: ['identity', 'everything'],
    patches: [
      unify('observations', '  if (back) reconsider(world, draft);\n', ''),
      unify('results', '  if (back) reconsider(world, draft);\n', ''),
    ],
  },
  {
    name: 'own-change-origin',
    protects: "an edit of somebody's that equals what we wrote is taken for our echo",
    worlds: ['network', 'latecalls', 'sources'],
    patches: [
      unify(
        'ledger',
        "const own = observation.via === 'event' && observation.origin === world.rules.client;",
        "const own = observation.via === 'event' && parseRef(observation.ref).platform === 'salesforce';",
      ),
    ],
  },
  {
    name: 'own-echo',
    protects: 'what our own call made of a value is taken for an edit',
    worlds: ['latecalls', 'sources', 'values', 'values,network'],
    patches: [
      unify(
        'ledger',
        "const own = observation.via === 'event' && observation.origin === world.rules.client;",
        'const own = false;',
      ),
    ],
  },
  {
    name: 'echo-until-result',
    protects: 'a value entered again after our call was answered is taken for our echo',
    worlds: ['calm', 'network', 'delay'],
    patches: [unify('asks', 'return isDated ? second === last : second <= last;', 'return true;')],
  },
  {
    name: 'echo-has-its-date',
    protects: 'a value that somebody entered before our call is taken for its echo',
    worlds: ['delay', 'sources', 'signups'],
    test: {
      file: 'test/processors/unify/ledger-values.test.ts',
      name: 'has the date of the answer on Intercom, where one call was made and none is in doubt',
    },
    patches: [unify('asks', 'return isDated ? second === last : second <= last;', 'return second <= last;')],
  },
  {
    name: 'echo-after-its-call',
    protects: 'a value told before our call was sent is taken for its echo',
    worlds: ['tight'],
    patches: [
      unify(
        'asks',
        '  if (!brought(ask, field, value) || !reaches(ask, at)) return false;',
        '  if (!brought(ask, field, value)) return false;',
      ),
      unify('landing', '  withdrawCredit(world, draft, closed);\n', ''),
    ],
  },
  {
    name: 'same-before-us',
    protects: 'who enters in Intercom what a call of ours waits to write loses to what is older, without a word',
    worlds: ['tight'],
    patches: [
      unify(
        'landing',
        '    editAll(world, draft, { link, value }, one, stoodBefore(closed, link.field, value));\n',
        '    void [editAll, stoodBefore, value, one];\n',
      ),
    ],
  },
  {
    name: 'same-unsure',
    protects: 'who enters what a call of ours waits to write, and replaces it before the answer, loses without a word',
    worlds: ['tight'],
    patches: [
      unify('ledger', '  if (isNew && answered === null) tellUnsure(world, draft, sighting, observation);\n', ''),
    ],
  },
  {
    name: 'twice-in-a-second',
    protects: 'what loses twice within one second of Intercom is told once',
    worlds: ['delay', 'sources'],
    patches: [
      unify(
        'edits',
        "decided.includes(mark) && (kind !== 'change' || isExact(at))",
        'decided.includes(mark) && isExact !== at',
      ),
    ],
  },
  {
    name: 'idle-call',
    protects: 'a call that changed nothing is taken to have overtaken somebody',
    worlds: ['delay', 'sources', 'signups'],
    test: {
      file: 'test/processors/unify/ledger.test.ts',
      name: 'is nobody where the record was last changed before our call was sent: the value stood there already',
    },
    patches: [unify('landing', 'const idle = isIdle(side, closed, result);', 'const idle = false;')],
  },
  {
    name: 'taken-back-waits',
    protects: 'what somebody took back while our call was under way stands',
    worlds: ['tight'],
    patches: [unify('ledger', 'return !isKnown || draft.ref.waiting.length > 0;', 'return !isKnown;')],
  },
  {
    name: 'followed-by-its-own',
    protects: 'a value told late beats the one that its own record was given after it',
    worlds: ['tight', 'delay,disorder'],
    patches: [
      unify('evidence', "  if (seen?.ask === '' && comparePositions(seen.at, observation.at) > 0) {", '  if (false) {'),
    ],
  },
  {
    name: 'entered-once-more',
    protects: 'a value told late beats one that was entered before it and once more after it',
    worlds: ['latecalls', 'delay,disorder,late'],
    test: {
      file: 'test/processors/unify/ledger.test.ts',
      name: 'is not older than a value that they entered once more, told before it',
    },
    patches: [unify('evidence', '    confirm(draft, link, observation);\n', '')],
  },
  {
    name: 'never-filled',
    protects: 'what a record shows at first as empty beats what somebody entered a little earlier',
    worlds: ['skewed', 'skew'],
    patches: [
      unify(
        'verdicts',
        "  if (isEmpty(current.value) && current.previous === null) return { wins: true, reason: 'first' };\n",
        '',
      ),
    ],
  },
  {
    name: 'echo-is-over',
    protects: 'what we wrote before our last write, entered again by somebody at once, is taken for our echo',
    worlds: ['fights', 'calm', 'changes'],
    patches: [unify('asks', '(ask.id === answered || !isOver(ref, ask, field)),', 'true,')],
  },
  {
    name: 'create-is-made-once',
    protects: 'what a create in doubt had asked, entered again by somebody within two minutes, is taken for its echo',
    worlds: ['calls', 'latecalls'],
    patches: [
      unify('asks', '(!ask.doubt || isMadeOnce(ref, ask))', '!ask.doubt'),
      // Told it is all the same, as the echo of a call in doubt.
      unify(
        'ledger',
        '    if (isNew && !agreed && before !== undefined) tellDoubtful(world, draft, sighting, observation, echo);\n',
        '',
      ),
    ],
  },
  {
    name: 'named-by-the-stream',
    protects: 'somebody who took back in Salesforce what we wrote over again is taken for what stood there before',
    worlds: ['fights', 'identity', 'sources'],
    patches: [unify('evidence', "const named = link.platform === 'salesforce';", 'const named = false;')],
  },
  {
    name: 'taken-back-is-told',
    protects: 'what was taken back while our call was under way loses without a word',
    worlds: ['scarce', 'tight', 'calls'],
    patches: [unify('evidence', 'const turned = look.waited?.includes(link.field) ?? false;', 'const turned = false;')],
  },
  {
    name: 'doubt-is-told',
    protects: 'what a call in doubt had asked, entered by somebody within two minutes, loses without a word',
    worlds: ['calls', 'latecalls'],
    patches: [
      unify(
        'ledger',
        '    if (isNew && !agreed && before !== undefined) tellDoubtful(world, draft, sighting, observation, echo);\n',
        '',
      ),
    ],
  },
  {
    name: 'no-silent-loss',
    protects: 'what is older than the newest of its record loses without a word',
    worlds: ['scarce', 'calls'],
    test: {
      file: 'test/processors/unify/ledger-losses.test.ts',
      name: 'is told although its record has said something newer since',
    },
    patches: [
      unify(
        'edits',
        'if (isDecided(draft.ref, mark, one)) return;',
        "if (one.kind === 'evidence' && one.at.time <= draft.ref.newest.time) return;",
      ),
    ],
  },
  {
    name: 'answer-comes-after',
    protects: 'who changes what we had written loses to it where the clocks differ, or tell no more than the second',
    worlds: ['skew', 'calm'],
    patches: [
      unify(
        'verdicts',
        "  if (!rule.fillIfEmpty && answers(one, current)) return { wins: true, reason: 'newest' };\n",
        '',
      ),
    ],
  },
  {
    name: 'reading-before-echo',
    protects:
      'what a flow made of our value is taken for an edit where the record is read before the stream has told of it',
    worlds: ['norm,companies', 'everything'],
    patches: [unify('ledger', '  if (assumed !== undefined && !assumed.late) return;\n', '')],
  },
  {
    name: 'doubt-two-minutes',
    protects: 'a call that timed out and lands late is taken for an edit',
    worlds: ['latecalls'],
    patches: [unify('asks', 'const doubtMs = 120_000;', 'const doubtMs = 0;')],
  },
  {
    name: 'landed-asks',
    protects: 'an echo that comes after the answer is taken for an edit',
    worlds: ['network', 'latecalls'],
    patches: [unify('asks', '.slice(-landedKept)', '.slice(0, 0)')],
  },
  {
    name: 'doubtful-ask-kept',
    protects: 'what an expired ask brought about after all is taken for an edit',
    worlds: ['latecalls', 'restart,zombie,late,timeout-after', 'calls,delay'],
    test: {
      file: 'test/processors/unify/ledger-calls.test.ts',
      name: 'that expired on Intercom is nobody’s edit when it is carried out over what was written since',
    },
    patches: [unify('landing', ": doubt && result.outcome !== 'gone' && result.outcome !== 'exists';", ': false;')],
  },
  {
    name: 'what-came-of-it',
    protects: 'what the platform made of our value is taken for an edit when it is told again',
    worlds: ['values', 'values,network', 'fights'],
    patches: [
      unify(
        'asks',
        'alike(expectedOf(ask)[field], value) || (field in ask.got && alike(ask.got[field], value));',
        'alike(expectedOf(ask)[field], value);',
      ),
    ],
  },
  {
    name: 'oldest-echo-first',
    protects: 'the echo of an older ask of ours is taken for the present value',
    worlds: ['network', 'calls,delay', 'delay'],
    patches: [unify('ledger', "return carrier > origin.ask ? 'overwritten' : 'newer';", "return 'newer';")],
  },
  {
    name: 'told-before-result',
    protects: 'what our create shows before it is answered is taken for edits',
    worlds: ['calls', 'timeout-after', 'latecalls'],
    patches: [
      unify(
        'ledger',
        'if (!isItsOwn || kept.some((ask) => ask.id === open.id)) return null;',
        'if (isItsOwn || open === null || kept.length >= 0) return null;',
      ),
    ],
  },
  {
    name: 'before-is-no-outcome',
    protects: 'the event of our create, which names every field, ends an ask made after it',
    worlds: ['network', 'calm', 'sources', 'latecalls'],
    patches: [unify('asks', 'waiting((ask) => !stood(ask, field, value));', 'waiting(() => true);')],
  },
  {
    name: 'tie-is-read-again',
    protects: 'of two values of one second the older stands',
    worlds: ['calm', 'network', 'sources'],
    patches: [unify('ledger', "if (sideOf(draft.rules, draft.ref.ref).written) return 'tie';", "return 'newer';")],
  },
  {
    name: 'reading-ends-tie',
    protects: 'a reading of the same second is a tie again, and read again for ever',
    worlds: ['calm', 'network'],
    patches: [
      unify(
        'ledger',
        "if (position === 0 && (isAsked || answered?.verb === 'read')) return 'newer';",
        "if (position === 0 && isAsked) return 'newer';",
      ),
    ],
  },
  {
    name: 'moved-meanwhile',
    protects: 'a reading that an event has overtaken is taken for the newest',
    worlds: ['delay', 'network', 'disorder'],
    patches: [
      unify('ledger', 'look), reading: true, moved: true };', 'look), reading: true };'),
      unify('landing', '  if (moved) {', '  if (false) {'),
    ],
  },
  {
    name: 'others-in-the-second',
    protects: 'what somebody entered in the second of our call is taken for what the platform made of it',
    worlds: ['tight', 'delay'],
    patches: [unify('ledger', '...denyAssumed(draft.ref, field, look), reading', '...draft.ref, reading')],
  },
  {
    name: 'same-by-another',
    protects: 'who enters in the second of our call what it wrote loses without a word',
    worlds: ['calls', 'overflows'],
    patches: [unify('ledger', 'if (isEarlier || isAnothers(draft.ref, field, look)) {', 'if (isEarlier) {')],
  },
  {
    name: 'same-earlier',
    protects: 'who says the same just before our call is taken for the call',
    worlds: ['latecalls', 'delay,disorder'],
    patches: [
      unify(
        'ledger',
        'if (isEarlier || isAnothers(draft.ref, field, look)) {',
        'if (isAnothers(draft.ref, field, look)) {',
      ),
    ],
  },
  {
    name: 'idle-answer',
    protects: 'what somebody had entered before our call for the same is not weighed by its date',
    worlds: ['delay'],
    patches: [
      unify('landing', 'observe(world, draft, one, idle ? null : ', 'observe(world, draft, one, false ? null : '),
    ],
  },
  {
    name: 'waits-in-part',
    protects: 'what was not asked is dated by the answer to a call',
    worlds: ['delay,disorder'],
    patches: [unify('ledger', 'return ask !== undefined && (ask.verb', 'return true || (ask.verb')],
  },
  {
    name: 'decided-once',
    protects: 'an edit that lost wins when it is told once more',
    worlds: ['identity', 'cold'],
    patches: [unify('edits', 'if (isDecided(draft.ref, mark, one)) return;', '')],
  },
  {
    name: 'known-field-by-field',
    protects: 'an edit before a call of memberships is taken to be known by it',
    worlds: ['outages', 'delay,companies'],
    patches: [unify('dirty', 'ref.seen, knownUntil(ref, fields));', 'ref.seen, ref.newest);')],
  },
  {
    name: 'webhooks-wait',
    protects: 'what Intercom makes of our value is taken for an edit before the answer says so',
    worlds: ['values,network', 'values', 'fights'],
    test: {
      file: 'test/processors/unify/ledger.test.ts',
      name: 'waits in a webhook for the answer to the open ask, and is no edit then',
    },
    patches: [unify('ledger', '  if (!third) return false;', '  return false;')],
  },
  {
    name: 'evidence',
    protects: 'an edit that our own write overtook is lost',
    worlds: ['delay', 'network', 'calm'],
    patches: [
      unify(
        'ledger',
        'else if (answered === null || answered.done.includes(field)) takeEvidence(world, draft, sighting, look);',
        '',
      ),
    ],
  },
  {
    name: 'evidence-is-no-echo',
    protects: 'an old value of our own is taken for an edit that we overtook',
    worlds: ['network', 'latecalls', 'calm'],
    patches: [unify('asks', 'return asks.length > 0 && !asks.some(isKnown);', 'return asks.length > 0;')],
  },
  {
    name: 'settled',
    protects: 'what a platform makes of a value is fought for ever',
    worlds: ['values', 'fights'],
    patches: [
      unify(
        'ledger',
        '      settle(world, draft, field, { asked: expected, got: value, ask: writer.id }, agreed);\n      return;',
        '      return;',
      ),
    ],
  },
  {
    name: 'settled-by-own-answer',
    protects: "somebody's later value is taken for what the platform made of ours",
    worlds: ['calls', 'latecalls'],
    patches: [
      unify(
        'ledger',
        'if (answered !== null && field in answered.expected && !answered.done.includes(field)) return answered;',
        'if (answered !== null && field in answered.expected) return answered;',
      ),
    ],
  },
  {
    name: 'quiet',
    protects: 'what was settled or refused is asked again for ever',
    worlds: ['values'],
    patches: [
      unify('standing', 'return alike(quiet.asked, comparable(wanted)) && alike(quiet.got, got);', 'return false;'),
    ],
  },
  {
    name: 'quiet-for-one-value',
    protects: 'a field that was refused once is never written again',
    worlds: ['values'],
    patches: [
      unify(
        'standing',
        'return alike(quiet.asked, comparable(wanted)) && alike(quiet.got, got);',
        'return alike(quiet.got, got);',
      ),
    ],
  },
  {
    name: 'quiet-while-seen-stands',
    protects: 'a settled field is not put right when somebody changes it afterwards',
    worlds: ['values', 'calls', 'fights'],
    patches: [
      unify(
        'standing',
        'return alike(quiet.asked, comparable(wanted)) && alike(quiet.got, got);',
        'return alike(quiet.asked, comparable(wanted));',
      ),
    ],
  },
  {
    name: 'refused-is-quiet',
    protects: 'a refused value is asked for ever',
    worlds: ['values'],
    patches: [
      unify(
        'landing',
        "for (const [field, { code, message }] of refused) quieten(world, draft, ask, field, 'refused', `${code}: ${message}`);",
        '',
      ),
    ],
  },
  {
    name: 'late-echo-read-back',
    protects: 'what Salesforce kept of its own without a word is never known',
    worlds: ['values', 'latecalls', 'sources', 'calls', 'everything'],
    patches: [unify('landing', '    awaitEcho(world, draft.ref.ref, closed);', '    return;')],
  },
  {
    name: 'position-per-field',
    protects: 'a field told late is lost behind another field of its record',
    worlds: ['firms,network', 'firms,latecalls', 'network'],
    patches: [
      unify(
        'ledger',
        'const position = comparePositions(observation.at, before.at);',
        'const position = comparePositions(observation.at, laterOf(before.at, draft.ref.newest));',
      ),
    ],
  },
  {
    name: 'position-orders',
    protects: 'an old value that comes late overwrites a newer one',
    worlds: ['network'],
    patches: [unify('ledger', "  if (position < 0) return 'older';", "  if (position < 0) return 'newer';")],
  },
  {
    name: 'own-record-later-wins',
    protects: "somebody's later value of the same second loses to their earlier one",
    worlds: ['calm', 'network'],
    patches: [unify('verdicts', '  if (current.source === source) {', '  if (false) {')],
  },
  {
    name: 'empty-never-beats-at-sight',
    protects: 'an empty record clears what the other platform knows',
    worlds: ['onesided', 'identity', 'calm'],
    patches: [
      unify('verdicts', '  if (isEmpty(one.value)) {\n    const isMirrored', '  if (false) {\n    const isMirrored'),
      unify('verdicts', '  if (!isSaid(one) || !isSaid(other)) return isSaid(one);\n', ''),
    ],
  },
  {
    name: 'cleared-beats-older-sight',
    protects: 'what somebody cleared on one side is filled with what the other side had before',
    worlds: ['leads', 'delay'],
    patches: [unify('verdicts', '(isCleared(said) && !rule.fillIfEmpty)', 'false')],
  },
  {
    name: 'copied-at-conversion',
    protects: 'what a conversion copied from the lead replaces what somebody has entered since',
    worlds: ['leads'],
    patches: [
      unify('verdicts', 'if (isCopied(world, draft, rule.name, one.value))', 'if (false)'),
      unify('merge', 'yieldCopies(world, ref, heir)', 'heir'),
    ],
  },
  {
    name: 'evidence-once',
    protects: 'a value that lost wins when a later notification of its record tells it once more',
    worlds: ['delay', 'overflows'],
    test: {
      file: 'test/processors/unify/ledger-losses.test.ts',
      name: 'is as old as when it was told first, where a later notification of another field tells it once more',
    },
    patches: [unify('evidence', 'turned ? null : firstTold(world, draft, sighting, observation);', 'null;')],
  },
  {
    name: 'written-over-what-waits',
    protects: 'an answer that shows what was there before hides that our call was repeated over an edit',
    worlds: ['everything', 'norm,timeout-after'],
    test: {
      file: 'test/processors/unify/ledger-losses.test.ts',
      name: 'is told where its record shows again what we had written before it, when the answer comes',
    },
    patches: [unify('ledger', 'isNew || isTurned(known, sighting, observation.at) ?', 'isNew ?')],
  },
  {
    name: 'owner',
    protects: 'the side without a say overwrites the owner',
    worlds: ['calm'],
    patches: [
      unify(
        'verdicts',
        'if (rule.owner !== null && rule.owner !== platform && isThere(world, draft, rule.owner)) {',
        'if (false) {',
      ),
    ],
  },
  {
    name: 'owner-over-newer',
    protects: "the owner's value loses to a newer one of the side without a say",
    worlds: ['network', 'identity', 'changes'],
    patches: [
      unify(
        'verdicts',
        "  if (rule.owner === platform && parseRef(current.source).platform !== platform) return { wins: true, reason: 'owner' };\n",
        '',
      ),
    ],
  },
  {
    name: 'owner-must-be-there',
    protects: 'edits of somebody whom the owner does not have are taken back for ever',
    worlds: ['calm', 'identity'],
    patches: [
      unify(
        'verdicts',
        'if (rule.owner !== null && rule.owner !== platform && isThere(world, draft, rule.owner)) {',
        'if (rule.owner !== null && rule.owner !== platform) {',
      ),
    ],
  },
  {
    name: 'newest-wins',
    protects: 'what is told last wins over what happened last',
    worlds: ['network', 'calm'],
    patches: [
      unify(
        'verdicts',
        'const newer = one.time !== current.time ? one.time > current.time : source > current.source;',
        'const newer = true;',
      ),
    ],
  },
  {
    name: 'write-back',
    protects: 'a value that lost stays where it was entered',
    worlds: ['calm'],
    patches: [
      unify(
        'follow',
        '  for (const ref of assessed.refs) {\n    const state',
        '  for (const ref of assessed.refs.filter((one) => one !== world.record.change.observation?.ref)) {\n    const state',
      ),
    ],
  },
  {
    name: 'fill-if-empty',
    protects: 'what is only to be filled is overwritten',
    worlds: ['calm', 'network'],
    patches: [unify('verdicts', '  if (rule.fillIfEmpty && !isEmpty(current.value)) {', '  if (false) {')],
  },
  {
    name: 'consent-gets-stricter',
    protects: 'somebody who opted out is written to again',
    worlds: ['calm', 'network'],
    patches: [unify('verdicts', '    if (verdict !== undefined) return verdict;\n', '')],
  },
  {
    name: 'freeze',
    protects: 'two writers who answer each other go on for ever',
    worlds: ['fights'],
    patches: [unify('edits', 'return { ...kept, turns, frozen: true };', 'return { ...kept, turns };')],
  },
  {
    name: 'one-open-ask',
    protects: 'two asks of one record overtake each other',
    worlds: ['calm', 'network', 'calls'],
    patches: [unify('dirty', '  ref.open !== null ||\n', '  false ||\n')],
  },
  {
    name: 'reading-expires',
    protects: 'a reading that was not made is never made',
    worlds: ['calls', 'restart,zombie', 'latecalls'],
    patches: [
      unify('landing', "  if (result.outcome === 'expired') draft.ref = { ...draft.ref, reading: true };\n", ''),
    ],
  },
  {
    name: 'echo-after-its-ask',
    protects: 'an event of ours that comes once more is taken for the echo of a write that was asked after it',
    worlds: ['latecalls', 'duplicate'],
    patches: [
      unify('asks', '!isDone(ask, field) && !wasKnown(ask, at) && matches(ask)', '!isDone(ask, field) && matches(ask)'),
    ],
  },
  {
    name: 'made-again',
    protects: 'what a flow makes of the same value once more is taken for an edit',
    worlds: ['fights'],
    patches: [unify('asks', "  if (again >= 0) return { ask: again, kind: 'outcome' };\n", '')],
  },
  {
    name: 'memberships-as-of-their-last-call',
    protects: 'what stands between two calls of one ask is asked for once more',
    worlds: ['scarce'],
    patches: [
      unify(
        'landing',
        '  if (memberships === null || !(memberships in returned.fields) || isOneCall(side, closed)) return [returned];',
        '  if (memberships === null || isOneCall(side, closed) || closed.id !== "") return [returned];',
      ),
    ],
  },
];
