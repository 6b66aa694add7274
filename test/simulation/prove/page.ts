/** docs/defences.md: what is missed when it is gone. */
import { type Defence, defences } from './defences.ts';
import { nameOf, type Witness } from './witness.ts';

const cellsOf = ({ name, protects }: Defence, witness: Witness | undefined): readonly string[] => [
  name,
  protects,
  witness?.promises.join(', ') ?? 'NOT NOTICED',
  witness === undefined ? '' : nameOf(witness),
];

/** A row for each of these defences, as Markdown. */
export function table(names: readonly string[], noticed: Readonly<Record<string, Witness>>): string {
  const head = ['defence', 'without it', 'promise broken', 'history'];
  const rows = defences.filter(({ name }) => names.includes(name)).map((one) => cellsOf(one, noticed[one.name]));
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export const page = (noticed: Readonly<Record<string, Witness>>): string => `# What is missed when it is gone

Each row takes one rule or defence out of the sources and names a history of the [simulation](simulation.md) in which the code as it is
keeps every promise, and the code without that breaks one. In italics: a history that is kept, as what people did; else a world and its
seed. The texts that are taken out are in \`test/simulation/prove/\`. \`npm run prove:tests\` looks for all of it anew, and fails while one is
not noticed; the tests look at each history that is named here again. Written by \`npm run prove:tests -- --record\`.

${Object.keys(noticed).length} of ${defences.length} are noticed. Of the others, NOT NOTICED, the unit tests of their file say what they are for; either a history is
missing, or an other rule does the same.

${table(
  defences.map(({ name }) => name),
  noticed,
)}
`;
