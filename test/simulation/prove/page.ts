/** docs/defences.md: what is missed when it is gone. */
import { type Defence, defences } from './defences.ts';
import { isTest, nameOf, type Witness } from './witness.ts';

const cellsOf = ({ name, protects }: Defence, witness: Witness | undefined): readonly string[] => [
  name,
  protects,
  witness === undefined ? 'NOT NOTICED' : nameOf(witness),
  witness === undefined || isTest(witness) ? '' : witness.promises.join(', '),
];

/** A row for each of these defences, as Markdown. */
export function table(names: readonly string[], noticed: Readonly<Record<string, Witness>>): string {
  const head = ['defence', 'without it', 'noticed by', 'promise broken'];
  const rows = defences.filter(({ name }) => names.includes(name)).map((one) => cellsOf(one, noticed[one.name]));
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** How many are noticed, and by what. */
export function counted(noticed: Readonly<Record<string, Witness>>): string {
  const all = Object.values(noticed);
  const tests = all.filter(isTest).length;
  return `${all.length - tests} are noticed by histories, ${tests} by tests`;
}

export const page = (noticed: Readonly<Record<string, Witness>>): string => `# What is missed when it is gone

Each row takes one rule or defence out of the sources and names who notices. That is a history of the [simulation](simulation.md)
in which the code as it is keeps every promise, and the code without that breaks one: in italics, a history that is kept, as what
people did; else a world and its seed. Where no history was found to show it, because it lies below what the simulation runs or takes
more than a history comes upon, it is a unit test that passes over the sources as they are and fails without that.

The texts that are taken out are in \`test/simulation/prove/\`. \`npm run prove:tests\` looks for every history anew and runs every test,
over the sources as they are and without its row, and fails while one row is not noticed. \`npm test\` looks at each history that is named here again; of
the tests that are named, only that they are there. Written by \`npm run prove:tests -- --record\`.

Of ${defences.length} rows ${counted(noticed)}.

${table(
  defences.map(({ name }) => name),
  noticed,
)}
`;
