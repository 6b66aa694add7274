/** Which account a person belongs to, written to both platforms. Salesforce names one, Intercom keeps a list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RulesConfig } from '../../../processors/unify/rules.ts';
import type { Change, Command } from '../../../schemas/types.ts';
import { createdEvent, event, row } from '../../support/changes.ts';
import { change } from '../../support/fold-runner.ts';
import { type TwoWayOptions, twoWay } from '../../support/two-way.ts';
import { ada, Both, contact, office } from './office.ts';

describe('a person who works for an account', () => {
  it('is attached to its company, and nothing else is written', () => {
    const { world, a, ref } = office();
    expect(world.of(ref)['companies']).toEqual([a]);
    expect(
      world
        .since(0, 'salesforce')
        .flatMap((fields) => Object.keys(fields))
        .filter((name) => name === 'AccountId'),
    ).toEqual([]);
  });

  it('moved in Salesforce is attached to the new company and detached from the old one', () => {
    const { world, b, ref } = office();
    const before = world.ran.length;
    world.edit(contact, { AccountId: '001B' });
    expect(world.of(ref)['companies']).toEqual([b]);
    expect(world.ran.length - before).toBe(1);
  });

  it('moved with another edit is moved once, though both companies are seen between the calls of that', () => {
    const { world, b, ref } = office();
    const before = world.ran.length;
    world.apart = true;
    world.edit(contact, { AccountId: '001B', LastName: 'King' });
    expect(world.of(ref)).toMatchObject({ companies: [b], name: 'Ada King' });
    expect(world.ran.length - before).toBe(1);
  });

  it('moved in Intercom moves in Salesforce, with one write', () => {
    const { world, b, ref } = office();
    const before = world.ran.length;
    world.edit(ref, { companies: [b] });
    expect(world.of(contact)['AccountId']).toBe('001B');
    expect(world.ran.slice(before).map(({ fields }) => fields)).toEqual([{ AccountId: '001B' }]);
  });

  it('detached in Intercom has no account any more', () => {
    const { world, ref } = office();
    world.edit(ref, { companies: [] });
    expect(world.of(contact)['AccountId']).toBe(null);
  });

  it('keeps companies that belong to no account, whatever moves', () => {
    const { world, a, b, ref } = office({ accounts: false });
    world.edit('intercom:company:f1', { name: 'Chess club' });
    world.edit(ref, { companies: [a, 'f1'].sort() });
    expect(world.of(contact)['AccountId']).toBe('001A');
    world.edit(contact, { AccountId: '001B' });
    expect(world.of(ref)['companies']).toEqual([b, 'f1'].sort());
    world.edit(contact, { AccountId: null });
    expect(world.of(ref)['companies']).toEqual(['f1']);
    world.edit(ref, { companies: [] });
    expect(world.accountOfAda).toBe(null);
  });

  it('moved while the new company is not there yet is moved once it is, and not detached before', () => {
    const { world, a, ref } = office();
    world.edit('salesforce:Account:001C', { Name: '' });
    world.edit(contact, { AccountId: '001C' });
    expect(world.of(ref)['companies']).toEqual([a]);
    world.edit('salesforce:Account:001C', { Name: 'Cellar' });
    expect(world.of(ref)['companies']).toEqual([world.companyOf('001C')]);
  });
});

describe('a person with several companies that are accounts', () => {
  it('keeps their account for as long as its company is attached, and both companies', () => {
    const { world, a, b, ref } = office();
    const before = world.ran.length;
    world.edit(ref, { companies: [a, b].sort() });
    expect(world.of(contact)['AccountId']).toBe('001A');
    expect(world.ran.length).toBe(before);
    world.edit(ref, { companies: [b] });
    expect(world.of(contact)['AccountId']).toBe('001B');
  });

  it('moved in Salesforce loses the company of the account they left, and no other', () => {
    const { world, a, b, ref } = office();
    world.edit('salesforce:Account:001C', { Name: 'Cellar' });
    world.edit(ref, { companies: [a, b].sort() });
    world.edit(contact, { AccountId: '001C' });
    expect(world.of(ref)['companies']).toEqual([b, world.companyOf('001C')].sort());
  });

  it('keeps a company that somebody attaches again after the move', () => {
    const { world, a, b, ref } = office();
    world.edit(contact, { AccountId: '001B' });
    world.edit(ref, { companies: [a, b].sort() });
    expect(world.of(ref)['companies']).toEqual([a, b].sort());
    expect(world.of(contact)['AccountId']).toBe('001B');
  });

  it('is moved to the company attached last where the configuration says so', () => {
    const { world, a, b, ref } = office({ primaryCompany: 'attached' });
    world.edit(ref, { companies: [a, b].sort() });
    expect(world.of(contact)['AccountId']).toBe('001B');
    expect(world.of(ref)['companies']).toEqual([b]);
  });

  it('seen for the first time has the oldest of them', () => {
    const { world, a, b } = office();
    world.edit('intercom:contact:z9', { email: 'new@x.example', name: 'New', companies: [b, a] });
    const created = world.ran.findLast((command) => command.verb === 'create' && command.object === 'Contact');
    expect(created?.fields['AccountId']).toBe(a < b ? '001A' : '001B');
  });
});

describe('a company that is not known when a person names it', () => {
  it('makes no account of them until it is, and does when it is one', () => {
    const { world, ref } = office();
    world.edit(ref, { companies: ['u7'] });
    expect(world.of(contact)['AccountId']).toBe(null);
    world.edit('intercom:company:u7', { name: 'Upland' });
    const account = [...world.store].find(
      ([name, fields]) => name.startsWith('salesforce:Account') && fields['Name'] === 'Upland',
    );
    expect(account).toBeDefined();
    expect(world.of(contact)['AccountId']).toBe(account?.[0].split(':')[2]);
    expect(world.of(ref)['companies']).toEqual(['u7']);
  });

  it('is read once, and becomes an account, if nobody ever tells of it', () => {
    const { world, ref } = office();
    const before = world.ran.length;
    world.store.set('intercom:company:u8', { name: 'Uphill' });
    world.edit(ref, { companies: ['u8'] });
    world.edit('intercom:contact:z9', { email: 'new@x.example', name: 'New', companies: ['u8'] });
    const account = [...world.store].find(([, fields]) => fields['Name'] === 'Uphill')?.[0];
    expect(world.of(contact)['AccountId']).toBe(account?.split(':')[2]);
    expect(world.ran.slice(before).filter(({ verb }) => verb === 'read')).toMatchObject([
      { ref: 'intercom:company:u8' },
    ]);
  });

  it('is not asked for again when it is gone', () => {
    const { world, ref } = office();
    world.gone.add('intercom:company:u8');
    world.edit(ref, { companies: ['u8'] });
    world.edit(ref, { companies: [] });
    world.edit(ref, { companies: ['u8'] });
    expect(world.ran.filter((command) => command.ref === 'intercom:company:u8').length).toBe(1);
    world.gone.clear();
    world.edit('intercom:company:u8', { name: 'Uphill' });
    expect([...world.store.values()].filter((fields) => fields['Name'] === 'Uphill').length).toBe(1);
  });

  it('is linked to the account that it names when it is read', () => {
    const { world, ref } = office();
    world.store.set('intercom:company:u8', { name: 'Bakery', 'custom_attributes.salesforce_account_id': '001Z' });
    world.edit('salesforce:Account:001Z', { Name: 'Zoo' });
    world.edit(ref, { companies: ['u8'] });
    expect(world.of(contact)['AccountId']).toBe('001Z');
  });

  it('becomes their account in place of the one that they have, as if it had been known at once', () => {
    const { world, a, ref } = office({ primaryCompany: 'attached' });
    world.edit(ref, { companies: [a, 'u7'] });
    expect(world.of(contact)['AccountId']).toBe('001A');
    world.edit('intercom:company:u7', { name: 'Upland' });
    const account = [...world.store].find(([, fields]) => fields['Name'] === 'Upland')?.[0];
    expect(world.of(contact)['AccountId']).toBe(account?.split(':')[2]);
    expect(world.of(ref)['companies']).toEqual(['u7']);
    expect(world.runner.ref(ref)?.attached).toEqual([]);
  });

  it('tells nothing beside the company of the account that they have, unless the last one attached counts', () => {
    const { world, a, ref } = office();
    world.edit(ref, { companies: [a, 'u7'] });
    world.edit('intercom:company:u7', { name: 'Upland' });
    expect(world.of(contact)['AccountId']).toBe('001A');
    expect(world.of(ref)['companies']).toEqual([a, 'u7'].sort());
  });

  it('is forgotten when they are detached from it before', () => {
    const { world, a, ref } = office({ primaryCompany: 'attached' });
    world.edit(ref, { companies: [a, 'u7'] }).edit(ref, { companies: [a] });
    world.edit('intercom:company:u7', { name: 'Upland' });
    expect(world.of(contact)['AccountId']).toBe('001A');
    expect(world.of(ref)['companies']).toEqual([a]);
  });

  it('is left alone when it is what they were found with', () => {
    const { world, a } = office({ primaryCompany: 'attached' });
    const other = 'intercom:contact:z9';
    world.edit('salesforce:Contact:003Z', { Email: 'z@x.example', LastName: 'Z', AccountId: '001A' });
    const ref = world.runner.entityOf('salesforce:Contact:003Z')?.refs.find((one) => one.startsWith('intercom:')) ?? '';
    expect(world.of(ref)['companies']).toEqual([a]);
    world.edit(other, { email: 'new@x.example', name: 'New', companies: [a, 'u7'] });
    world.edit('intercom:company:u7', { name: 'Upland' });
    expect(world.of(other)['companies']).toEqual([a, 'u7'].sort());
  });

  it('loses against the account that the person was moved to meanwhile, and is detached', () => {
    const { world, ref, b } = office();
    world.edit(ref, { companies: ['u7'] });
    world.edit(contact, { AccountId: '001B' });
    world.edit('intercom:company:u7', { name: 'Upland' });
    expect(world.of(contact)['AccountId']).toBe('001B');
    expect(world.of(ref)['companies']).toEqual([b]);
  });
});

describe('a call in doubt that attached somebody', () => {
  it('and is carried out again after they left is undone again', () => {
    const { world, b, ref } = office();
    world.doubtful = true;
    world.edit(contact, { AccountId: '001B' });
    world.doubtful = false;
    expect(world.of(ref)['companies']).toEqual([b]);
    world.edit(contact, { AccountId: null });
    expect(world.of(ref)['companies']).toEqual([]);
    world.edit(ref, { companies: [b] });
    expect(world.of(ref)['companies']).toEqual([]);
    expect(world.of(contact)['AccountId']).toBe(null);
  });
});

describe('a company of Intercom', () => {
  it('becomes an account, if it has a name', () => {
    const world = new Both().edit('intercom:company:c1', { company_id: 'theirs', name: null });
    expect(world.ran).toEqual([]);
    world.edit('intercom:company:c1', { name: 'Upland' });
    expect(world.ran.map(({ platform, object, fields }) => [platform, object, fields['Name']])).toContainEqual([
      'salesforce',
      'Account',
      'Upland',
    ]);
  });

  const named = { company_id: 'theirs', name: 'Orchard', 'custom_attributes.salesforce_account_id': '001A' };
  const idOf = (world: Both, ref: string): string | undefined => world.runner.entityOf(ref)?.id;

  it.each([
    ['before', ['intercom:company:c1', 'salesforce:Account:001A']],
    ['after', ['salesforce:Account:001A', 'intercom:company:c1']],
  ])(
    'seen %s the Salesforce account that it names is linked to it, and its company_id is never written',
    (_, order) => {
      const world = new Both({ accounts: false });
      for (const ref of order) world.edit(ref, ref.startsWith('intercom:') ? named : { Name: 'Orchard' });
      world.edit(contact, { ...ada, AccountId: '001A' });
      expect(idOf(world, 'intercom:company:c1')).toBe(idOf(world, 'salesforce:Account:001A'));
      expect(world.ran.filter((command) => command.object === 'company' && command.verb === 'create')).toEqual([]);
      expect(world.ran.every((command) => !('company_id' in command.fields))).toBe(true);
      expect(world.ran.findLast((command) => command.object === 'contact')?.fields['companies']).toEqual(['c1']);
    },
  );

  it('with the same name or domain as an account is not taken for it', () => {
    const world = new Both({ accounts: false })
      .edit('salesforce:Account:001A', { Name: 'Orchard', Website: 'orchard.example' })
      .edit('intercom:company:c1', { company_id: 'theirs', name: 'Orchard', website: 'orchard.example' });
    expect(world.runner.entityOf('intercom:company:c1')?.id).not.toBe(
      world.runner.entityOf('salesforce:Account:001A')?.id,
    );
  });
});

describe('an account without people', () => {
  it('is held and no error, becomes a company with its first person, and stays one when the last leaves', () => {
    const world = new Both().edit('salesforce:Account:001A', { Name: 'Orchard' });
    expect(world.ran.filter((command) => command.verb === 'create')).toEqual([]);
    expect(world.runner.journal()).toEqual([]);
    world.edit(contact, { ...ada, AccountId: '001A' });
    const company = `intercom:company:${world.companyOf('001A')}`;
    expect(world.of(company)['company_id']).toBe(world.runner.entityOf('salesforce:Account:001A')?.id);
    world.edit(contact, { AccountId: null });
    world.edit('salesforce:Account:001A', { Name: 'Orchard Ltd' });
    expect(world.of(company)['name']).toBe('Orchard Ltd');
    expect(world.runner.poisons).toEqual([]);
  });
});

describe('what is decided again when something becomes known', () => {
  const owned = { name: 'Orchard', 'custom_attributes.owner_email': 'eve@us.example' };

  it('is the owner of a company whose email was in no directory', () => {
    const world = new Both().edit('intercom:company:c1', owned);
    const account = world.runner.entityOf('intercom:company:c1');
    expect(account?.fields['ownerEmail']?.value ?? null).toBe(null);
    world.say(row('salesforce:User:005E', { Email: 'Eve@us.example' }, 500)).settle();
    const created = world.ran.find((command) => command.object === 'Account' && command.verb === 'create');
    expect(world.of(`salesforce:Account:${world.accountId(created)}`)['OwnerId']).toBe('005E');
  });

  it('is the owner who becomes a teammate, and one who is none is not taken from the record', () => {
    const { world, ref } = office();
    world.say(
      row('salesforce:User:005E', { Email: 'eve@us.example' }, 500),
      row('intercom:admin:71', { email: 'ann@us.example' }, 500),
    );
    world.edit(ref, { owner_id: 71 });
    world.edit(contact, { OwnerId: '005E' });
    expect(world.of(ref)['owner_id']).toBe(71);
    world.say(row('intercom:admin:72', { email: 'eve@us.example' }, 900)).settle();
    expect(world.of(ref)['owner_id']).toBe(72);
  });
});

describe('a configuration changed midway', () => {
  const configured = (n: number, config: RulesConfig): Change =>
    change({ kind: 'config', config: { n, hash: `h${n}`, json: JSON.stringify(config) } });
  const withField = (
    more: RulesConfig['entities']['customer']['fields'][number],
    options: TwoWayOptions = {},
  ): RulesConfig => {
    const config = twoWay(options);
    const { customer } = config.entities;
    return {
      ...config,
      entities: {
        ...config.entities,
        customer: { ...customer, fields: [...customer.fields.filter((one) => one.canonical !== more.canonical), more] },
      },
    };
  };

  it('writes a newly mapped field to everybody who has a value, in the bulk lane, and once', () => {
    const withoutTitle = withField({ canonical: 'title', type: 'text', salesforce: 'Title', fillIfEmpty: false });
    const { world, ref } = office();
    world.say(configured(1, withoutTitle)).settle();
    world.edit(contact, { Title: 'CTO' });
    expect(world.of(ref)['custom_attributes.job_title']).toBeUndefined();
    const before = world.ran.length;
    world.say(configured(2, twoWay())).settle();
    expect(world.of(ref)['custom_attributes.job_title']).toBe('CTO');
    expect(world.ran.slice(before).map((command) => [command.lane, Object.keys(command.fields)])).toEqual([
      ['bulk', ['custom_attributes.job_title']],
    ]);
    world.say(configured(2, twoWay()), configured(1, withoutTitle)).settle();
    expect(world.ran.length).toBe(before + 1);
  });

  it('gives the word to the new owner of a field, where the sides differ', () => {
    const { world, ref } = office();
    world.edit(ref, { phone: '+441' });
    const mine = withField({
      canonical: 'phone',
      type: 'text',
      salesforce: 'Phone',
      intercom: 'phone',
      owner: 'intercom',
      fillIfEmpty: false,
    });
    const theirs = withField({
      canonical: 'phone',
      type: 'text',
      salesforce: 'Phone',
      intercom: 'phone',
      owner: 'salesforce',
      fillIfEmpty: false,
    });
    world.say(configured(1, mine)).settle();
    world.edit(contact, { Phone: '+449' });
    expect(world.of(contact)['Phone']).toBe('+441');
    world.say(configured(2, theirs)).settle();
    world.edit(contact, { Phone: '+442' });
    expect(world.of(ref)['phone']).toBe('+442');
  });

  it('creates what a flow that was switched on has left out', () => {
    const world = new Both({ accounts: false }).edit('intercom:company:c1', { name: 'Upland' });
    expect(world.ran).toEqual([]);
    world.say(configured(1, twoWay())).settle();
    const [create, ...more] = world.ran;
    expect([create?.object, create?.verb, create?.lane]).toEqual(['Account', 'create', 'bulk']);
    // The company is told which account it is.
    expect(more.map(({ fields }) => Object.keys(fields))).toEqual([['custom_attributes.salesforce_account_id']]);
  });

  it('delays nobody: an edit is written while everybody is gone through', () => {
    const { world, ref } = office();
    for (let n = 0; n < 300; n++)
      world.say(
        createdEvent(`salesforce:Contact:0039${n}`, { LastName: `L${n}`, AccountId: '001A' }, 1_000, 5_000 + n),
      );
    world.settle();
    world.say(configured(1, twoWay()), event('salesforce:Account:001A', { Industry: 'Fruit' }, 2_000, 9_000));
    world.runner.tick();
    const before = world.runner.outputs.length;
    world.say(event(contact, { Title: 'CTO' }, 2_001, 9_001));
    const written = world.runner.outputs.slice(before).filter(({ topic }) => topic === 'intercom.commands');
    expect(written.map(({ value }) => (value as Command).ref)).toEqual([ref]);
    expect([...world.runner.committed.keys()].filter((key) => key.startsWith('job:')).length).toBe(2);
  });
});

describe('a person moved by anybody, anywhere', { timeout: 60_000 }, () => {
  const step = fc.record({
    by: fc.constantFrom('salesforce' as const, 'attach' as const, 'detach' as const),
    which: fc.nat(3),
  });

  it.each(['current', 'attached'] as const)(
    'ends attached to the company of their account, no other company lost (%s)',
    (primaryCompany) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
          const { world, a, b, ref } = office({ primaryCompany });
          world.edit('intercom:company:f1', { name: null });
          const companies = [a, b, 'f1'];
          let club = false;
          for (const { by, which } of steps) {
            const shown = world.of(ref)['companies'];
            const now = Array.isArray(shown) ? shown.map(String) : [];
            const company = companies[which % companies.length] ?? a;
            if (by === 'salesforce') world.edit(contact, { AccountId: ['001A', '001B', null, null][which] ?? null });
            else {
              const next = by === 'attach' ? [...now, company] : now.filter((one) => one !== company);
              world.edit(ref, { companies: [...new Set(next)].sort() });
              if (company === 'f1') club = by === 'attach';
            }
            const after = world.of(ref)['companies'];
            const standing = Array.isArray(after) ? after.map(String) : [];
            const account = world.of(contact)['AccountId'] ?? null;
            expect(standing.includes('f1')).toBe(club);
            expect(account === null || standing.includes(account === '001A' ? a : b)).toBe(true);
            expect(world.accountOfAda).toBe(account);
          }
        }),
        { numRuns: 30 },
      );
    },
  );
});
